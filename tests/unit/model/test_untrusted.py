"""What comes from outside, an event or a manifest, is understood or refused; it never does anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archival_core.errors import InvalidEventError, PermanentError
from archival_core.model.asking.event import ArchivalEvent, parse_entry
from archival_core.model.chunks.chunk import Relation
from archival_core.model.lake.manifest import Manifest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "s",
    "type": "archival.chunk.requested",
    "data": {"hypertable": "public.h", "chunk": "public.c", "remove": True},
}
PART = {
    "file": "part-00000.parquet",
    "rows": 1,
    "bytes": 9,
    "sha256": "ab",
    "min_time": 1,
    "max_time": 2,
    "digests": {"t": "x"},
}
MANIFEST = {
    "job_id": "00000000-0000-0000-0000-00000000002a",
    "attempt": 1,
    "revision": 0,
    "hypertable": "public.h",
    "chunk": "public.c",
    "kind": "native",
    "time_column": "t",
    "time_type": "bigint",
    "range_start": "0",
    "range_end": None,
    "was_compressed": False,
    "source": {"system_identifier": "7", "database": "d", "server_version": "17", "timescaledb_version": None},
    "ddl": "create table h ()",
    "columns": [{"name": "t", "postgresql_type": "bigint", "arrow_type": "int64", "not_null": True}],
    "rows": 1,
    "min_time": "1",
    "max_time": "2",
    "snapshot": "1:1:",
    "source_bytes": 8192,
    "parquet_bytes": 9,
    "lake_path": "tables/public.h/c_r0",
    "parts": [PART],
    "archived_at": "2026-01-01T00:00:00Z",
    "tools": {"pyarrow": "1"},
}


def replaced(document: Any, path: list[str | int], value: Any) -> Any:
    """A copy of `document` with another value at `path`."""
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copy


def paths(document: Any, prefix: tuple[str | int, ...] = ()) -> list[list[str | int]]:
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [list(prefix)] * bool(prefix) + [path for key, inner in items for path in paths(inner, (*prefix, key))]


@given(st.dictionaries(st.binary(max_size=20), st.binary(max_size=200), max_size=6))
def test_any_bytes(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(InvalidEventError):
        parse_entry(fields)


@given(st.sampled_from(paths(EVENT)), JSON)
def test_an_event_with_any_value_anywhere(path: list[str | int], value: Any) -> None:
    text = json.dumps(replaced(EVENT, path, value)).encode()
    try:
        event = parse_entry({b"event": text})
    except InvalidEventError as error:
        assert len(str(error)) < 4000
    else:
        assert isinstance(event, ArchivalEvent)
        assert Relation.parse(event.data.hypertable) == event.data.table


@given(st.text(max_size=200))
def test_a_name_is_read_as_it_is_written_or_refused(text: str) -> None:
    try:
        relation = Relation.parse(text)
    except PermanentError as error:
        assert error.code == "invalid-name"
    else:
        assert Relation.parse(str(relation)) == relation


def test_a_manifest_comes_back() -> None:
    manifest = Manifest.model_validate(MANIFEST)
    assert Manifest.model_validate_json(manifest.to_json()) == manifest


def test_a_manifest_of_an_earlier_version_comes_out_as_it_was_read() -> None:
    written = json.loads(Manifest.model_validate(MANIFEST).to_json())
    assert written == MANIFEST
    assert "lake_number" not in written["columns"][0]


@given(st.sampled_from(paths(MANIFEST)), JSON)
def test_a_manifest_with_any_value_anywhere(path: list[str | int], value: Any) -> None:
    text = json.dumps(replaced(MANIFEST, path, value))
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        return
    assert manifest.lake_path.startswith("tables/")
    assert ".." not in manifest.lake_path.split("/")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["lake_path"], "tables/../secrets"),
        (["lake_path"], "tables/public.h/.."),
        (["lake_path"], "/etc/passwd"),
        (["lake_path"], "staging/a/b"),
        (["lake_path"], "tables/a/b/c"),
        (["lake_path"], "tables/public.h/c_r0\n"),
        (["parts", 0, "file"], "../../c.parquet"),
        (["parts", 0, "file"], "part-00000.parquet/../x"),
        (["supersedes"], ["tables/public.h/../../x"]),
    ],
)
def test_a_manifest_names_only_what_is_inside_its_folders(path: list[str | int], value: Any) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate_json(json.dumps(replaced(MANIFEST, path, value)))
