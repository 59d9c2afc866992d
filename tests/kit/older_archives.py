"""Archives as they were before tables in the lake had a schema."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pyarrow as pa
import pytest
from psycopg.types.json import Jsonb

from archival_core.flows.archive import lake_schema, reading_form
from archival_core.lake.paths import archive_manifest
from archival_core.model.chunks.chunk import Column
from archival_core.model.lake import lake_column
from archival_core.model.lake.manifest import Manifest
from archival_core.source.restore.columns.wire import wire_of
from archival_core.source.wire import types
from archival_core.source.wire.columns import arrow_type, plan_columns

if TYPE_CHECKING:
    from tests.kit.worlds import World

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


@contextmanager
def whole_texts(*columns: str) -> Iterator[None]:
    """What is archived inside has these columns as texts, as if a value of each had not fit its type's form. Columns have the
    hypertable's own names in files."""

    def text_or(column: Column) -> pa.DataType:
        return pa.string() if column.name in columns else arrow_type(column)

    def its_own(column: str, _: Collection[str]) -> str:
        return column

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake_schema, "arrow_type", text_or)
        patch.setattr(reading_form, "plan_columns", partial(plan_columns, as_text=columns))
        patch.setattr(lake_column, "lake_name", its_own)
        yield


def make_older(world: World, *, before_marks: bool = False) -> None:
    """Leave every archive of a world's schema as it would be had it been made before tables had a schema and logs: its files
    stay, and manifests, marks and ledger say of them what they said then. A folder has percent signs in its name.

    With `before_marks` they were read before readings left marks, and nobody knows which transactions made their tables."""
    lake = world.service.lake
    with psycopg.connect(world.ledger_url or world.service.url, autocommit=True) as ledger:
        theirs = f"{world.service.schema}.%"
        jobs = "select job_id, manifest from archival.job where manifest is not null and hypertable like %s"
        for job, content in ledger.execute(jobs, (theirs,)).fetchall():
            manifest = without_schema(Manifest.model_validate(content))
            folder = quote(manifest.lake_path.replace("~", "%"), safe="%/")
            _move(lake, manifest.lake_path, folder)
            unknown = {"relation_born": None, "nonce": None} if before_marks else {}
            manifest = manifest.model_copy(update={"lake_path": folder, **unknown})
            for file in (f"{folder}/_manifest.json", archive_manifest(folder)):
                (lake / file).write_bytes(manifest.to_json())
            sha256, said = manifest.sha256(), Jsonb(manifest.model_dump(mode="json", exclude_unset=True))
            _say(ledger, job, folder, sha256, said)
            world.service.execute(
                f"update archival_marks.stand_in set manifest = '{sha256}', lake_path = '{folder}' where archive = '{job}'"
            )
        if before_marks:
            ledger.execute("update archival.job set relation_born = null where hypertable like %s", (theirs,))
            world.service.execute("update archival_marks.stand_in set born = ''")
        for table in ("table_archive", "lake_table", "lake_column"):
            ledger.execute(f"delete from archival.{table} where hypertable like %s".encode(), (theirs,))
    for log in (lake / "tables").glob(f"{world.service.schema}.*/_delta_log"):
        shutil.rmtree(log)


def _move(lake: Path, folder: str, to: str) -> None:
    if folder != to:
        (lake / folder).rename(lake / to)
        (lake / archive_manifest(folder)).unlink()


def _say(ledger: psycopg.Connection[Any], job: object, folder: str, sha256: str, manifest: Jsonb) -> None:
    ledger.execute(
        "update archival.job set manifest = %s, manifest_sha256 = %s, declared = array[%s], lake_path = %s where job_id = %s",
        (manifest, sha256, sha256, folder, job),
    )
