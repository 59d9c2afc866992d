"""Where the live rows of a table begin is what its partitions or chunks say, and nothing where one of them does not say it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.model.chunks.chunk import Relation
from archival_core.source.state.snapshot.live_begin import LiveBegin, live_begin
from archival_core.source.state.snapshot.readable import NamedTable, TableKind
from tests.kit.rows import one

DAYS = (date(2026, 2, 1) - date(1970, 1, 1)).days
MICROSECONDS = (datetime(2026, 2, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
#: type of the key, bounds of the partitions, and where the table begins
RANGES: tuple[tuple[str, list[str], int | None], ...] = (
    ("timestamptz", ["('2026-03-01Z') to ('2026-04-01Z')", "('2026-02-01Z') to ('2026-03-01Z')"], MICROSECONDS),
    ("timestamptz", ["('2026-02-01 00:00:00.25+00') to (maxvalue)"], MICROSECONDS + 250_000),
    ("timestamptz", ["('2026-02-01 02:00+02') to ('infinity')"], MICROSECONDS),
    ("timestamptz", ["('0044-03-15 00:00 BC') to ('2026-01-01')"], -63_517_824_000_000_000),
    ("timestamptz", ["('2026-02-01') to ('2026-03-01')", "(minvalue) to ('2026-01-01')"], None),
    ("timestamptz", ["('-infinity') to ('2026-03-01')"], None),
    ("timestamptz", ["('2026-02-01') to ('2026-03-01')", "default"], None),
    ("timestamptz", [], None),
    ("timestamp", ["('2026-02-01') to ('2026-03-01')"], MICROSECONDS),
    ("date", ["('2026-02-01') to ('2026-03-01')", "('2027-02-01') to ('2027-03-01')"], DAYS),
    ("bigint", ["(-9000000000) to (0)", "(0) to (10)"], -9_000_000_000),
    ("int", ["(10) to (20)"], 10),
    ("smallint", ["(10) to (20)"], 10),
    ("numeric", ["(10) to (20)"], None),
    ("uuid", ["('00000000-0000-0000-0000-000000000000') to ('10000000-0000-0000-0000-000000000000')"], None),
    ("text", ["('10') to ('20')"], None),
)


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    async with Database(source_database_url).connect() as connection:
        yield connection  # type: ignore[misc]


async def _begin(conn: psycopg.AsyncConnection, schema: str, name: str, kind: TableKind = "native") -> LiveBegin | None:
    row = await one(await conn.execute("select %s::regclass::oid::bigint as oid", (f"{schema}.{name}",)))
    oid = row["oid"]  # type: ignore[call-overload]
    return await live_begin(conn, NamedTable(Relation(schema, name), kind, oid, False))


@pytest.mark.parametrize(("kind", "bounds", "begin"), RANGES)
async def test_partitions_by_range(
    conn: psycopg.AsyncConnection, schema: str, kind: str, bounds: list[str], begin: int | None
) -> None:
    await conn.execute(f'create table {schema}.t ("the time" {kind}, v int) partition by range ("the time")'.encode())
    for number, bound in enumerate(bounds):
        values = bound if bound == "default" else f"for values from {bound}"
        await conn.execute(f"create table {schema}.p{number} partition of {schema}.t {values}".encode())
    expected = None if begin is None else LiveBegin("the time", begin)
    assert await _begin(conn, schema, "t") == expected


async def test_what_is_not_divided_by_the_values_of_one_column_has_no_begin(conn: psycopg.AsyncConnection, schema: str) -> None:
    await conn.execute(f"create domain {schema}.day as date".encode())
    for name, key, bound in (
        ("lists", "list (at)", "in (10)"),
        ("hashes", "hash (at)", "with (modulus 2, remainder 0)"),
        ("several", "range (at, v)", "from (10, 1) to (20, 1)"),
        ("computed", "range ((-at))", "from (10) to (20)"),
        ("domains", "range (d)", "from ('2026-02-01') to ('2026-03-01')"),
        ("otherwise", f"range (at {schema}.downward)", "from (20) to (10)"),
    ):
        if name == "otherwise":
            await conn.execute(
                f"""create function {schema}.compared(int, int) returns int language sql immutable
                as 'select btint4cmp($2, $1)';
                create operator class {schema}.downward for type int using btree as operator 1 >, operator 2 >=, operator 3 =,
                operator 4 <=, operator 5 <, function 1 {schema}.compared(int, int)""".encode()
            )
        await conn.execute(
            f"create table {schema}.{name} (at int, v int, d {schema}.day) partition by {key};"
            f"create table {schema}.{name}_1 partition of {schema}.{name} for values {bound}".encode()
        )
        assert await _begin(conn, schema, name) is None, name


@pytest.mark.parametrize(
    ("kind", "values", "interval", "begin"),
    [
        ("timestamptz", "'2026-02-01 12:00Z'), ('2026-03-01Z'", "interval '1 day'", MICROSECONDS),
        ("timestamp", "'2026-02-01 12:00'", "interval '1 day'", MICROSECONDS),
        ("date", "'2026-02-01'), ('2026-02-07'", "interval '1 day'", DAYS),
        ("bigint", "-5), (25", "10", -10),
        ("int", "25), (47", "10", 20),
    ],
)
async def test_chunks(timescaledb_url: str, kind: str, values: str, interval: str, begin: int | None) -> None:
    async with Database(timescaledb_url).connect() as conn:
        await conn.execute(b"drop schema if exists live_begin cascade; create schema live_begin")
        try:
            await conn.execute(f'create table live_begin.t ("the time" {kind} not null)'.encode())
            made = f"select public.create_hypertable('live_begin.t', 'the time', chunk_time_interval => {interval})"
            await conn.execute(made.encode())
            assert await _begin(conn, "live_begin", "t", "timescaledb") is None  # type: ignore[arg-type]
            await conn.execute(f"insert into live_begin.t values ({values})".encode())
            expected = None if begin is None else LiveBegin("the time", begin)
            assert await _begin(conn, "live_begin", "t", "timescaledb") == expected  # type: ignore[arg-type]
        finally:
            await conn.execute(b"drop schema live_begin cascade")


async def test_a_hypertable_with_a_second_dimension_and_one_whose_rows_are_placed_by_a_function(timescaledb_url: str) -> None:
    async with Database(timescaledb_url).connect() as conn:
        await conn.execute(b"drop schema if exists live_begin cascade; create schema live_begin")
        try:
            await conn.execute(
                b"""create function live_begin.doubled(at bigint) returns bigint language sql immutable as 'select 2 * at';
                create table live_begin.spread (at bigint not null, device int);
                create table live_begin.placed (at bigint not null)"""
            )
            for table, more in (("spread", "partitioning_column => 'device', number_partitions => 3, "), ("placed", "")):
                by = "time_partitioning_func => 'live_begin.doubled', " if table == "placed" else ""
                made = f"select public.create_hypertable('live_begin.{table}', 'at', {more}{by}chunk_time_interval => 10)"
                await conn.execute(made.encode())
            await conn.execute(b"insert into live_begin.spread values (25, 1), (35, 2), (45, 3)")
            await conn.execute(b"insert into live_begin.placed values (25)")
            assert await _begin(conn, "live_begin", "spread", "timescaledb") == LiveBegin("at", 20)  # type: ignore[arg-type]
            # the chunk is that of 50 to 60
            assert await _begin(conn, "live_begin", "placed", "timescaledb") is None  # type: ignore[arg-type]
        finally:
            await conn.execute(b"drop schema live_begin cascade")
