"""Archives as they were before tables in the lake had a schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from archival_core.model.lake.manifest import Manifest
from archival_core.source.restore.columns.wire import wire_of
from archival_core.source.wire import types

#: Types whose forms held every value, with numbers for the infinities.
_CLOCKS = {"date": "date32[day]", "timestamp": "timestamp[us]", "timestamptz": "timestamp[us, tz=UTC]"}


@contextmanager
def earlier_forms() -> Iterator[None]:
    """What is archived inside has infinities and far dates in the files themselves."""
    with pytest.MonkeyPatch.context() as patch:
        for name, arrow in _CLOCKS.items():
            patch.setitem(types.FORMS, name, wire_of(arrow).form)
        yield


def without_schema(manifest: Manifest) -> Manifest:
    """The manifest as it was: columns have no numbers and names of their own in the lake, parts neither corrections nor
    bounds."""
    columns = tuple(column.model_copy(update={"lake_number": 0, "lake_name": None}) for column in manifest.columns)
    assert all(column.stored == column.name for column in manifest.columns), "files had the hypertable's own names"
    assert not manifest.corrected, "files had no corrections"
    parts = tuple(part.model_copy(update={"bounds": {}}) for part in manifest.parts)
    return manifest.model_copy(update={"columns": columns, "parts": parts})
