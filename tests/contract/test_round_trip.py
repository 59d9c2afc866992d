"""What goes into Parquet comes back equal: every type, random tables, and the sizes at the edges.

A chunk is read and encoded by the service's own code; `dev.demo.comparison` loads the file into PostgreSQL again and compares
every value as PostgreSQL prints it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal
from unittest.mock import patch

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archival_core.codec import parquet
from archival_core.codec.layout import Layout
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.catalog.definition.ordering import order_columns
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches
from archival_core.source.wire.gathering import Gathering, gathered_pages
from dev.demo.comparison import Comparison, compare
from tests.contract.type_values import CORRECTED, NOT_HELD, TYPES
from tests.kit.examples import examples

PREPARE = """
SET datestyle = 'ISO, YMD';
CREATE TYPE mood AS ENUM ('it''s'); CREATE DOMAIN price AS numeric(10, 2); CREATE DOMAIN day AS date;
CREATE TYPE pair AS (a numeric, "the b" text, c integer[]); CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN prices AS price[];
"""
LONG = {"jsonb", "bit(3)", "varbit", "int4range", "tstzrange", "nummultirange", "pair", "span", "prices"}
How = Literal["rows", "arrays", "joined"]
HOW: Final[tuple[How, ...]] = ("rows", "arrays", "joined")
CHUNK = "CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE);"


class Trip:
    """Takes a table `t` with one partition `p` there and back."""

    def __init__(self, url: str, schema: str, folder: Path) -> None:
        self._url, self._schema, self._folder = url, schema, folder
        #: how many values of each column the last trip corrected
        self.corrected: dict[str, int] = {}
        #: how the last trip was read
        self.read: How = "rows"

    def prepare(self, statements: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"SET search_path = {self._schema}, public".encode())
            connection.execute(statements.encode())

    async def take(self, layout: Layout | None = None, how: How = "joined") -> Comparison:
        """There and back; `how` to read may turn out to be impossible."""
        self.read = how
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            with patch.object(Gathering, "rows", self._ungathered()):
                await self._archive(connection, layout, how)
        with psycopg.connect(self._url, autocommit=True) as plain:
            plain.execute(f"SET search_path = {self._schema}, public".encode())
            return compare(plain, "p", self._folder)

    async def _archive(self, connection: psycopg.AsyncConnection[Any], layout: Layout | None, how: How) -> None:
        chunk = await catalog.find_chunk(connection, Relation(self._schema, "t"), Relation(self._schema, "p"))
        async with ReadSnapshot(connection, chunk) as snapshot:
            columns = await catalog.columns(connection, chunk.hypertable)
            if layout is None:
                layout = Layout("small", await order_columns(connection, chunk))
            nulls = dict.fromkeys((column.name for column in columns), 0.0 if how == "joined" else 0.01)
            plan = plan_columns(columns, {} if how == "rows" else nulls, in_utf8=snapshot.in_utf8)
            on_disk = await parts.storage(connection, chunk)
            # however many outputs it has: here it is about the values
            few = replace(plan, outputs=plan.outputs[:1])
            pages = gathered_pages(chunk, few, on_disk) if how != "rows" else None
            if pages is None:
                self.read = "rows"
            written, read = (parquet.ContentMeter(plan.schema, chunk.time_column) for _ in range(2))
            with (
                (self._folder / "part.parquet").open("wb") as file,
                closing(read_batches(self._url, snapshot.snapshot_id, chunk, plan, gathered_pages=pages)) as batches,
            ):
                parquet.write(batches, plan.schema, file, {}, written, layout)
        self.corrected = written.content().exact
        read.begin(self.corrected)
        for batch in parquet.read(self._folder / "part.parquet", plan.schema, corrected=self.corrected):
            read.add(batch)
        assert read.content() == written.content()

    def _ungathered(self) -> Callable[[Gathering, pa.RecordBatch], pa.RecordBatch]:
        rows = Gathering.rows

        def noticed(gathering: Gathering, groups: pa.RecordBatch) -> pa.RecordBatch:
            if all(output.joined is None for output in gathering.outputs):
                self.read = "arrays"
            return rows(gathering, groups)

        return noticed


@pytest.fixture
def trip(source_database_url: str, schema: str, tmp_path: Path) -> Trip:
    return Trip(source_database_url, schema, tmp_path)


def _table(columns: dict[str, str]) -> str:
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f"CREATE TABLE t (at int, {listed}) PARTITION BY RANGE (at); {CHUNK}"


@pytest.mark.parametrize("how", HOW)
async def test_every_type(trip: Trip, how: How) -> None:
    # tables with arrays are not gathered, nor those whose values are much longer as text
    types = {kind: values for kind, values in TYPES.items() if how == "rows" or not (kind.endswith("[]") or kind in LONG)}
    columns = {f"c {i} 'q'": kind for i, kind in enumerate(types)}
    rows = max(map(len, types.values()))
    inserts = "".join(
        f"INSERT INTO t VALUES ({row}, {', '.join(values[row % len(values)] for values in types.values())});"
        for row in range(rows)
    )
    trip.prepare(PREPARE + _table(columns) + inserts)
    if how == "arrays":
        trip.prepare("INSERT INTO t (at) VALUES (-1)")
        rows += 1
    for layout in (Layout(), None):
        assert await trip.take(layout, how) == Comparison(rows, rows, 0)
        assert trip.read == how
    assert {kind for name, kind in columns.items() if trip.corrected.get(name)} == CORRECTED & types.keys()


@pytest.mark.parametrize("kind", NOT_HELD)
async def test_a_value_that_does_not_fit_leaves_the_column_alone(trip: Trip, kind: str) -> None:
    values = ", ".join(f"({i}, {value}::{kind}, NULL)" for i, value in enumerate(NOT_HELD[kind]))
    trip.prepare(PREPARE + _table({"v": kind, "other": "date"}) + f"INSERT INTO t VALUES {values}")
    assert (await trip.take()).equal
    assert trip.corrected.keys() == {"v"}


EXACT = st.sampled_from([kind for kind in TYPES if kind not in ("text", "regclass")])


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_random_tables(trip: Trip, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(EXACT, min_size=1, max_size=12))
    values = [st.sampled_from([*TYPES[kind], *NOT_HELD.get(kind, []), "NULL"]) for kind in kinds]
    rows = data.draw(st.lists(st.tuples(*values), max_size=20))
    inserts = "".join(f"INSERT INTO t VALUES ({i}, {', '.join(row)});" for i, row in enumerate(rows))
    trip.prepare(
        "DROP TABLE IF EXISTS t; DROP TYPE IF EXISTS pair, span, mood CASCADE; DROP DOMAIN IF EXISTS day, price CASCADE;"
        + PREPARE
        + _table({f"c{i}": kind for i, kind in enumerate(kinds)})
        + inserts
    )
    layout = data.draw(st.sampled_from([Layout(), None]))
    assert await trip.take(layout, data.draw(st.sampled_from(HOW))) == Comparison(len(rows), len(rows), 0)


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.tuples(
            st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
            st.none() | st.binary(),
            st.none() | st.floats(),
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.decimals(allow_nan=False),
            st.none() | st.datetimes(),
            st.none() | st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))),
        ),
        max_size=30,
    )
)
async def test_random_values(trip: Trip, source_database_url: str, schema: str, values: list[tuple[Any, ...]]) -> None:
    kinds = ["text", "bytea", "double precision", "bigint", "numeric", "timestamp", "text[]"]
    trip.prepare("DROP TABLE IF EXISTS t; " + _table({f"c{i}": kind for i, kind in enumerate(kinds)}))
    with psycopg.connect(source_database_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {schema}.t VALUES (1{', %s' * len(kinds)})".encode(), values)
    assert await trip.take() == Comparison(len(values), len(values), 0)
    assert trip.corrected == {}


async def test_generated_identity_and_dropped_columns(trip: Trip) -> None:
    trip.prepare(
        f"""CREATE TABLE t (
                gone int, at int GENERATED BY DEFAULT AS IDENTITY, a int, doubled int GENERATED ALWAYS AS (a * 2) STORED
            ) PARTITION BY RANGE (at); {CHUNK}
            INSERT INTO t (a) SELECT i FROM generate_series(1, 100) i; ALTER TABLE t DROP COLUMN gone;
            ALTER TABLE t ADD COLUMN late text DEFAULT 'later'"""
    )
    assert await trip.take() == Comparison(100, 100, 0)


@pytest.mark.slow
async def test_1600_columns(trip: Trip) -> None:
    trip.prepare(
        _table({f"c{i}": "smallint" for i in range(1599)})
        + "INSERT INTO t (at, c0, c1598) SELECT i, i, -i FROM generate_series(1, 2000) i"
    )
    assert await trip.take(Layout()) == Comparison(2000, 2000, 0)


@pytest.mark.parametrize("rows", [0, 1])
async def test_no_row_and_one_row(trip: Trip, tmp_path: Path, rows: int) -> None:
    trip.prepare(_table({"v": "text", "n": "numeric(5,1)[]"}) + f"INSERT INTO t SELECT 1, 'a', '{{1}}' LIMIT {rows}")
    assert await trip.take() == Comparison(rows, rows, 0)
    assert pq.read_metadata(tmp_path / "part.parquet").num_rows == rows


@pytest.mark.slow
async def test_a_value_of_100_megabytes(trip: Trip) -> None:
    trip.prepare(_table({"v": "text"}) + "INSERT INTO t VALUES (1, repeat('0123456789', 10000000)), (2, 'small')")
    assert await trip.take(Layout()) == Comparison(2, 2, 0)


async def test_extensions(trip: Trip, source_database_url: str) -> None:
    """hstore, ltree and citext, where the server has them."""
    available = await _available(source_database_url)
    kinds = {
        name: value for name, value in {"hstore": "'a=>1'", "ltree": "'a.b'", "citext": "'Ab'"}.items() if name in available
    }
    if not kinds:
        pytest.skip("the server has no extension with types")
    create = "".join(f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA public;" for name in kinds)
    many = {f"{name}[]": f"ARRAY[{value}::public.{name}]" for name, value in kinds.items()}
    values = [*kinds.values(), *many.values()]
    names = [f"public.{name}" for name in [*kinds, *many]]
    trip.prepare(
        create + _table({f"c{i}": kind for i, kind in enumerate(names)}) + f"INSERT INTO t VALUES (1, {', '.join(values)})"
    )
    assert (await trip.take()).equal


async def test_xml(trip: Trip) -> None:
    try:
        trip.prepare(_table({"v": "xml"}) + """INSERT INTO t VALUES (1, '<a b="c">d</a>'), (2, '<?xml version="1.0"?><x/>')""")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server is built without XML")
    assert (await trip.take()).equal


async def test_postgis(trip: Trip, source_database_url: str) -> None:
    if "postgis" not in await _available(source_database_url):
        pytest.skip("the server has no PostGIS")
    trip.prepare(
        "CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public;"
        + _table({"a": "public.geometry(PointZ, 4326)", "b": "public.geography", "c": "public.geometry[]"})
        + "INSERT INTO t VALUES (1, 'SRID=4326;POINT Z (1 2 3)', 'POINT(1 2)', ARRAY['LINESTRING(0 0,1 1)'::public.geometry])"
    )
    assert (await trip.take()).equal
    assert trip.corrected == {}


async def _available(url: str) -> set[str]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return {name for (name,) in await (await connection.execute("SELECT name FROM pg_available_extensions")).fetchall()}
