"""Archives of PostgreSQL's own partitions come back exactly, once, and into the table that was asked for."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archival_core.clients.lakehouse_client import LakehouseClient
from dev.lake_emulator import Emulator
from tests.contract.restore_support import Bench
from tests.contract.type_values import AS_TEXT, TYPES

PREPARE = """
SET datestyle = 'ISO, YMD';
CREATE TYPE mood AS ENUM ('it''s'); CREATE DOMAIN price AS numeric(10, 2); CREATE DOMAIN day AS date;
CREATE TYPE pair AS (a numeric, "the b" text, c integer[]); CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN prices AS price[];
"""
CHUNK = "CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE);"


@pytest.fixture
async def bench(source_database_url: str, emulator: Emulator) -> AsyncIterator[Bench]:
    lake = LakehouseClient.open(f"{emulator.url}/lake", emulator.key)
    await lake.ensure_filesystem()
    schema = f"restore_{uuid.uuid4().hex[:12]}"
    bench = Bench(source_database_url, schema, lake)
    with psycopg.connect(source_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    yield bench
    with psycopg.connect(source_database_url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
    await lake.close()


def _table(columns: dict[str, str]) -> str:
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f"CREATE TABLE t (at int, {listed}) PARTITION BY RANGE (at); {CHUNK}"


async def test_every_type(bench: Bench) -> None:
    columns = {f"c {i} 'q' % ä": kind for i, kind in enumerate(TYPES)}
    rows = max(map(len, TYPES.values()))
    inserts = "".join(
        f"INSERT INTO t VALUES ({row}, {', '.join(values[row % len(values)] for values in TYPES.values())});"
        for row in range(rows)
    )
    bench.execute(PREPARE + _table(columns) + inserts + "INSERT INTO t (at) VALUES (-1)")
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    restored = await bench.restore(manifest)
    assert (restored.rows, restored.inserted) == (rows + 1, rows + 1)
    assert bench.rows("t") == before == bench.rows("p")
    await bench.restore(manifest, into="other")
    assert bench.rows("other") == before


@pytest.mark.parametrize("kind", AS_TEXT)
async def test_columns_that_were_archived_as_text(bench: Bench, kind: str) -> None:
    values = ", ".join(f"({i}, {value}::{kind}, NULL)" for i, value in enumerate(AS_TEXT[kind]))
    bench.execute(PREPARE + _table({"v": kind, "other": "date"}) + f"INSERT INTO t VALUES {values}")
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    assert manifest.columns[1].arrow_type == "string"
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_random_tables(bench: Bench, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from([kind for kind in TYPES if kind != "regclass"]), min_size=1, max_size=12))
    values = [st.sampled_from([*TYPES[kind], *AS_TEXT.get(kind, []), "NULL"]) for kind in kinds]
    rows = data.draw(st.lists(st.tuples(*values), max_size=20))
    inserts = "".join(f"INSERT INTO t VALUES ({i}, {', '.join(row)});" for i, row in enumerate(rows))
    bench.execute(
        "DROP TABLE IF EXISTS t; DROP TYPE IF EXISTS pair, span, mood CASCADE; DROP DOMAIN IF EXISTS day, price CASCADE;"
        + PREPARE
        + _table({f"c{i}": kind for i, kind in enumerate(kinds)})
        + inserts
    )
    before = bench.rows("t")
    for file in [found.path async for found in bench.lake.list("tables")]:
        await bench.lake.delete_tree(file)
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before
