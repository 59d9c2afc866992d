"""Archives of one table, as the ledger and the source's marks have them: no chunk and no file is behind any of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from archival_core.model.lake.manifest import Manifest, ManifestColumn, ManifestPart, ManifestSource
from archival_core.source.state.marks import mark_schema

HYPERTABLE: Final = "bench.readings"
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FORMS: Final = (
    ("time", "timestamp with time zone", "timestamp[us, tz=UTC]"),
    ("tags_id", "integer", "int32"),
    ("hostname", "text", "string"),
    *((f"usage_{number}", "double precision", "double") for number in range(10)),
)
_COLUMNS: Final = """
insert into archival.lake_column (hypertable, number, table_oid, table_born, attnum, column_name, postgresql_type, name, form,
                                  since)
select %(hypertable)s, number, 1, '1', number, name, type, name, form, now()
from unnest(%(names)s::text[], %(types)s::text[], %(forms)s::text[]) with ordinality c (name, type, form, number)
"""
_ARCHIVES: Final = """
insert into archival.job (job_id, kind, hypertable, chunk, status, settled, attempt, relation_oid, relation_born, request_key,
                          requested_by, finished_at, rows, lake_path, manifest, manifest_sha256, announced)
select md5('archive ' || i)::uuid, 'archive', %(hypertable)s, 'bench.c' || i, 'archived', true, 1, 100000000 + i,
       (1000 + i)::text, 'bench/' || i, 'policy', now(), 100000, path,
       %(manifest)s::jsonb || jsonb_build_object(
           'job_id', md5('archive ' || i)::uuid, 'chunk', 'bench.c' || i, 'relation_oid', 100000000 + i,
           'relation_born', (1000 + i)::text, 'nonce', md5('nonce ' || i), 'lake_path', path),
       md5('a' || i) || md5('b' || i), true
from (select i, 'tables/bench.readings/c' || i || '_r0' as path from generate_series(%(first)s::int, %(last)s) i) made
"""
_MARKS: Final = """
insert into archival_marks.reading (job, nonce, snapshot)
select md5('archive ' || i)::uuid, md5('nonce ' || i), '1000:1000:' from generate_series(%(first)s::int, %(last)s) i
"""


def prepare(connection: psycopg.Connection[Any]) -> None:
    """The columns of the table in the lake, and the tables of marks."""
    connection.execute("create schema if not exists archival_marks")
    connection.execute(mark_schema.MAKE)
    names, types, forms = (list(of) for of in zip(*_FORMS, strict=True))
    connection.execute(_COLUMNS, {"hypertable": HYPERTABLE, "names": names, "types": types, "forms": forms})


def add(connection: psycopg.Connection[Any], first: int, last: int) -> None:
    """Archives number `first` to `last` end, each with the mark of its reading; the ledger is in the source."""
    identity = connection.execute("select system_identifier::text, current_database() from pg_control_system()").fetchone()
    assert identity is not None
    values = {"hypertable": HYPERTABLE, "first": first, "last": last, "manifest": Jsonb(_manifest(*identity))}
    with connection.transaction():
        connection.execute(_ARCHIVES, values)
        connection.execute(_MARKS, values)


def _manifest(system_identifier: str, database: str) -> dict[str, Any]:
    """Two files of 13 columns, as of a million rows."""
    names = [name for name, _, _ in _FORMS]
    bounds: dict[str, tuple[int | str | None, int | str | None, int]] = {
        "time": ("2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z", 0),
        "tags_id": (1, 4000, 0),
        "hostname": ("host_1", "host_999", 0),
    }
    parts = tuple(
        ManifestPart(
            file=f"part-{number:05}.parquet",
            rows=50_000,
            bytes=50_000_000,
            sha256="a" * 64,
            min_time=0,
            max_time=86_400_000_000,
            digests=dict.fromkeys(names, "b" * 32),
            bounds=bounds,
        )
        for number in range(2)
    )
    columns = tuple(
        ManifestColumn(
            name=name,
            postgresql_type=type_,
            arrow_type=form,
            not_null=False,
            number=number,
            lake_number=number,
            lake_name=name,
        )
        for number, (name, type_, form) in enumerate(_FORMS, 1)
    )
    manifest = Manifest(
        job_id="",
        attempt=1,
        revision=0,
        hypertable=HYPERTABLE,
        chunk="bench.c0",
        kind="native",
        time_column="time",
        time_type="timestamp with time zone",
        range_start=None,
        range_end=None,
        was_compressed=False,
        source=ManifestSource(
            system_identifier=system_identifier, database=database, server_version="18", timescaledb_version=None
        ),
        ddl="",
        columns=columns,
        rows=100_000,
        min_time=None,
        max_time=None,
        snapshot="1000:1000:",
        source_bytes=800_000_000,
        parquet_bytes=100_000_000,
        lake_path="tables/bench.readings/c0_r0",
        parts=parts,
        archived_at=_START,
        tools={},
    )
    return manifest.model_dump(mode="json", exclude_unset=True)
