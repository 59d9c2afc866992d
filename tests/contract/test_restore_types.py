"""Archives come back exactly: every type, random tables, and the sizes at the edges."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.restore_support import Bench
from tests.contract.type_values import NOT_HELD, TYPES
from tests.kit.examples import examples

PREPARE = """
SET datestyle = 'ISO, YMD';
CREATE TYPE mood AS ENUM ('it''s'); CREATE DOMAIN price AS numeric(10, 2); CREATE DOMAIN day AS date;
CREATE TYPE pair AS (a numeric, "the b" text, c integer[]); CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN prices AS price[];
"""
CHUNK = "CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE);"


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


@pytest.mark.parametrize("kind", NOT_HELD)
async def test_values_that_the_form_does_not_hold(bench: Bench, kind: str) -> None:
    values = ", ".join(f"({i}, {value}::{kind}, NULL)" for i, value in enumerate(NOT_HELD[kind]))
    bench.execute(PREPARE + _table({"v": kind, "other": "date"}) + f"INSERT INTO t VALUES {values}")
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    assert manifest.parts[0].exact.keys() == {"v"}
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_random_tables(bench: Bench, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from([kind for kind in TYPES if kind != "regclass"]), min_size=1, max_size=12))
    values = [st.sampled_from([*TYPES[kind], *NOT_HELD.get(kind, []), "NULL"]) for kind in kinds]
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


async def test_extensions(bench: Bench) -> None:
    """hstore, ltree and citext, where the server has them."""
    available = {name for (name,) in bench.query("SELECT name FROM pg_available_extensions")}
    values = {"hstore": "'a=>1'", "ltree": "'a.b'", "citext": "'Ab'"}
    kinds = {name: value for name, value in values.items() if name in available}
    if not kinds:
        pytest.skip("the server has no extension with types")
    bench.execute(*(f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA public" for name in kinds))
    many = {f"public.{name}[]": f"ARRAY[{value}::public.{name}, NULL]" for name, value in kinds.items()}
    columns = {f"public.{name}": value for name, value in kinds.items()} | many
    bench.execute(
        _table({f"c{i}": name for i, name in enumerate(columns)}) + f"INSERT INTO t VALUES (1, {', '.join(columns.values())})"
    )
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


async def test_xml_keeps_its_declaration(bench: Bench) -> None:
    """What PostgreSQL prints leaves it out."""
    values = ["<a/>", '<?xml version="1.0"?><a/>', '<?xml version="1.0" encoding="UTF-8"?><a/>', "text <a/>"]
    try:
        bench.execute(
            _table({"v": "xml", "w": "xml[]"}),
            *(f"INSERT INTO t VALUES ({n}, '{value}', ARRAY['{value}'::xml, NULL])" for n, value in enumerate(values)),
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server is built without XML")
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    query = "SELECT v::text, w[1]::text, w[2] IS NULL FROM t ORDER BY at"
    assert bench.query(query) == [(value, value, True) for value in values]


@pytest.mark.slow
async def test_1600_columns(bench: Bench) -> None:
    listed = ", ".join(f"c{i} smallint" for i in range(1599))
    bench.execute(
        f"CREATE TABLE t (at int, {listed}) PARTITION BY RANGE (at); {CHUNK}"
        "INSERT INTO t (at, c0, c1598) SELECT i, i, -i FROM generate_series(1, 2000) i"
    )
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


@pytest.mark.slow
async def test_a_value_of_100_megabytes(bench: Bench) -> None:
    bench.execute(
        f"CREATE TABLE t (at int, v text, b bytea, l text[]) PARTITION BY RANGE (at); {CHUNK}"
        "INSERT INTO t VALUES (1, repeat('0123456789', 10000000), NULL, NULL), (2, 'small', NULL, NULL),"
        " (3, NULL, decode(repeat('5c', 3000000), 'hex'), NULL), (4, NULL, NULL, ARRAY[repeat('x\"', 1000000), NULL])"
    )
    hashes = "SELECT at, md5(v), md5(b), md5(l::text) FROM t ORDER BY at"
    before = bench.query(hashes)
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.query(hashes) == before


async def test_rows_of_very_different_sizes_keep_their_order(bench: Bench) -> None:
    """Free space on earlier pages must not attract later rows: the digests are those of an order."""
    bench.execute(
        f"CREATE TABLE t (at int, v text) PARTITION BY RANGE (at); {CHUNK}"
        "ALTER TABLE p ALTER COLUMN v SET STORAGE PLAIN;"
        "INSERT INTO t SELECT i, repeat(chr(65 + i % 26), abs(hashint4(i) % 1900)) FROM generate_series(1, 20000) i",
        # in an order that leaves holes: the rows themselves may lie in one that fits
        "CREATE INDEX by_at ON p (at)",
        "CLUSTER p USING by_at",
    )
    before = bench.query("SELECT at, md5(v) FROM t ORDER BY at")
    manifest = await bench.archive("t", "p", part_bytes=2**22)
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.query("SELECT at, md5(v) FROM t ORDER BY at") == before
