"""Casts that users define change nothing: a value is what its type's own functions print and read."""

from __future__ import annotations

import io
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg.conninfo import make_conninfo

from archival_core.errors import PermanentError
from archival_core.model.lake.manifest import Manifest
from dev.lake_emulator import Emulator
from tests.contract.conftest import open_bench
from tests.contract.restore_support import Bench

TYPES = """
CREATE TYPE pair AS (amount numeric, note text); CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE span AS RANGE (subtype = float8); CREATE DOMAIN price AS numeric(10, 2); CREATE DOMAIN prices AS price[];
CREATE DOMAIN agreed AS pair; CREATE DOMAIN known AS mood; CREATE DOMAIN moods AS mood[];
CREATE DOMAIN number AS oid; CREATE DOMAIN day AS date;
"""
#: A cast from the first type to the second gives this value, whatever it is given. For PostgreSQL's own types only a superuser
#: can define one.
CASTS = [
    ("pair", "text", "'(2,)'"),
    ("text", "pair", "'(2,)'"),
    ("pair", "varchar", "'(2,)'"),
    ("varchar", "pair", "'(2,)'"),
    ("pair[]", "text[]", "'{2}'"),
    ("text[]", "pair[]", "'{\"(2,)\"}'"),
    ("text", "pair[]", "'{\"(2,)\"}'"),
    ("mood", "text", "'bad'"),
    ("text", "mood", "'bad'"),
    ("mood[]", "text[]", "'{bad}'"),
    ("text[]", "mood[]", "'{bad}'"),
    ("text", "mood[]", "'{bad}'"),
    ("price[]", "numeric[]", "'{99}'"),
    ("numeric[]", "price[]", "'{99}'"),
    ("text", "price[]", "'{99}'"),
    ("number[]", "int8[]", "'{99}'"),
    ("int8[]", "number[]", "'{99}'"),
    ("day[]", "date[]", "'{2000-01-01}'"),
    ("date[]", "day[]", "'{2000-01-01}'"),
    ("span", "text", "'[9,9]'"),
    ("text", "span", "'[9,9]'"),
    ("uuid", "text", "'gone'"),
    ("text", "uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    ("uuid[]", "text[]", "'{gone}'"),
    ("text[]", "uuid[]", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'"),
    ("text", "numeric", "'99'"),
    ("numeric", "text", "'99'"),
    ("text[]", "numeric[]", "'{99}'"),
    ("interval", "text", "'1 day'"),
    ("text", "interval", "'1 day'"),
    ("text", "jsonb", "'{}'"),
    ("text", "json", "'{}'"),
    ("int8[]", "oid[]", "'{99}'"),
    ("oid[]", "int8[]", "'{99}'"),
    ("money[]", "numeric[]", "'{99}'"),
    ("text", "int4[]", "'{99}'"),
    ("int4[]", "text", "'{99}'"),
]
#: By type: values as PostgreSQL prints them, and as the archive has them where that is something else.
VALUES: dict[str, tuple[str, object]] = {
    "pair": ('(1.50,"a b")', '(1.50,"a b")'),
    "agreed": ('(1.50,"")', '(1.50,"")'),
    "mood": ("good", "good"),
    "known": ("good", "good"),
    "span": ("[1.5,2.5)", "[1.5,2.5)"),
    "uuid": ("b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "interval": ("1 mon -2 days", "1 mon -2 days"),
    "inet": ("10.0.0.1", "10.0.0.1"),
    "jsonb": ('{"a": 1.50}', '{"a": 1.50}'),
    "json": ('{"a":  1}', '{"a":  1}'),
    "numeric(60,2)": ("1.50", "1.50"),
    "pair[]": ('{"(1.50,)",NULL,"(,)"}', ["(1.50,)", None, "(,)"]),
    "mood[]": ("{good,NULL}", ["good", None]),
    "moods": ("{good,NULL}", ["good", None]),
    "uuid[]": ("{b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", ["b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    "inet[]": ("{10.0.0.1,::1/64}", ["10.0.0.1", "::1/64"]),
    "oid[]": ("{4294967295}", [4294967295]),
    "number[]": ("{7}", [7]),
    "money[]": ("{$1.25}", ["1.25"]),
    "numeric[]": ("{1.50,NaN}", ["1.50", "NaN"]),
}
#: Values that their form does not hold, so that they go as texts of their own.
NOT_HELD: dict[str, str] = {
    "pair[]": '{{"(1.50,)","(2.50,)"}}',
    "mood[]": "[0:1]={good,NULL}",
    "prices": "[2:2]={1.50}",
    "int4[]": "{{1,2}}",
    "numeric(10,2)": "NaN",
    "uuid[]": "[0:0]={b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
}


@pytest.fixture
async def bench(source_database_url: str, emulator: Emulator) -> AsyncIterator[Bench]:
    """In a database of the test's own, since casts are not in a schema."""
    name = f"casts_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(source_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        async with aclosing(open_bench(make_conninfo(source_database_url, dbname=name), emulator)) as opened:  # type: ignore[type-var]
            yield await anext(opened)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _casts() -> list[str]:
    statements = []
    for number, (source, target, value) in enumerate(CASTS):
        body = f"CREATE FUNCTION f{number}({source}) RETURNS {target} LANGUAGE plpgsql AS $$ BEGIN RETURN {value}; END $$"
        statements += [body, f"CREATE CAST ({source} AS {target}) WITH FUNCTION f{number}({source})"]
    return statements


def _table(columns: dict[str, str]) -> list[str]:
    listed = ", ".join(f'"{kind}" {kind}' for kind in columns)
    values = ", ".join("'" + value.replace("'", "''") + "'" for value in columns.values())
    return [
        f"CREATE TABLE t (at int, {listed}) PARTITION BY RANGE (at)",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (10)",
        f"INSERT INTO t VALUES (1, {values})",
        "INSERT INTO t VALUES (2)",
    ]


async def _archived(bench: Bench, manifest: Manifest) -> dict[str, list[object]]:
    part = manifest.parts[0]
    content = await bench.lake.read(f"{manifest.lake_path}/{part.file}", 0, part.bytes)
    found = pq.read_table(io.BytesIO(content)).to_pydict()
    exact = [dict(row or ()) for row in found.get("_archival_exact", [])]
    columns: dict[str, list[object]] = {}
    for column in manifest.columns:
        held = found[column.stored]
        columns[column.name] = [
            row.get(column.stored, value) for row, value in zip(exact or [{}] * len(held), held, strict=True)
        ]
    return columns


async def test_a_value_is_what_its_type_prints_and_reads(bench: Bench) -> None:
    bench.execute(TYPES, *_casts(), *_table({kind: printed for kind, (printed, _) in VALUES.items()}))
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    archived = await _archived(bench, manifest)
    assert {kind: archived[kind] for kind in VALUES} == {kind: [value, None] for kind, (_, value) in VALUES.items()}
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before
    await bench.restore(manifest, into="own")
    assert bench.rows("own") == before


async def test_a_value_that_its_form_does_not_hold_is_what_its_type_prints_and_reads(bench: Bench) -> None:
    bench.execute(TYPES, *_casts(), *_table(NOT_HELD))
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    archived = await _archived(bench, manifest)
    assert {kind: archived[kind] for kind in NOT_HELD} == {kind: [value, None] for kind, value in NOT_HELD.items()}
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


async def test_arrays_of_domains_are_what_they_hold(bench: Bench) -> None:
    columns = {"price[]": "{1.50,NULL}", "prices": "{2.50}", "day[]": "{2026-01-31,infinity}"}
    bench.execute(TYPES, *_casts(), *_table(columns))
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    assert [column.arrow_type for column in manifest.columns[1:]] == [
        "list<item: decimal128(10, 2)>",
        "list<item: decimal128(10, 2)>",
        "list<item: date32[day]>",
    ]
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


async def test_a_type_of_an_extension_with_casts(bench: Bench) -> None:
    available = {name for (name,) in bench.query("SELECT name FROM pg_available_extensions")}
    values = {"hstore": '"a"=>NULL, "b"=>"x"', "ltree": "a.b", "citext": "Ab", "cube": "(1, 2.5)", "isbn": "0-393-04002-X"}
    extensions = {kind: "isn" if kind == "isbn" else kind for kind in values}
    columns = {kind: value for kind, value in values.items() if extensions[kind] in available}
    if not columns:
        pytest.skip("the server has no extension with types")
    bench.execute(*(f"CREATE EXTENSION {extensions[kind]} SCHEMA public" for kind in columns))
    for kind in columns:
        bench.execute(
            f"CREATE FUNCTION of_{kind}({kind}) RETURNS text LANGUAGE sql AS $$ SELECT 'gone'::text $$",
            f"CREATE FUNCTION to_{kind}(text) RETURNS {kind} LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        )
        for source, target in ((kind, "text"), ("text", kind)):
            with suppress(psycopg.errors.DuplicateObject):  # the extension's own
                bench.execute(f"CREATE CAST ({source} AS {target}) WITH FUNCTION {'of' if target == 'text' else 'to'}_{kind}")
    bench.execute(*_table(columns))
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    archived = await _archived(bench, manifest)
    assert {kind: archived[kind] for kind in columns} == {kind: [value, None] for kind, value in columns.items()}
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


async def test_postgis_with_casts_between_arrays(bench: Bench) -> None:
    """Whoever owns the type can define one from its arrays."""
    if ("postgis",) not in bench.query("SELECT name FROM pg_available_extensions"):
        pytest.skip("the server has no PostGIS")
    bench.execute("CREATE EXTENSION postgis SCHEMA public")
    for source, target, value in (("geometry[]", "bytea[]", "'{gone}'"), ("bytea[]", "geometry[]", "'{NULL}'")):
        name = f"casts_{source[:5]}"
        bench.execute(
            f"CREATE FUNCTION {name}({source}) RETURNS {target} LANGUAGE plpgsql AS $$ BEGIN RETURN {value}; END $$",
            f"CREATE CAST ({source} AS {target}) WITH FUNCTION {name}({source})",
        )
    bench.execute(
        "CREATE TABLE t (at int, a geometry(PointZ, 4326), b geography, c geometry[], d box3d) PARTITION BY RANGE (at)",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "INSERT INTO t VALUES (1, 'SRID=4326;POINT Z (1 2 3)', 'POINT(1 2)', ARRAY['LINESTRING(0 0,1 1)'::geometry, NULL],"
        " 'BOX3D(1 2 3,4 5 6)'), (2, NULL, NULL, NULL, NULL)",
    )
    before = bench.rows("t")
    manifest = await bench.archive("t", "p")
    assert [c.arrow_type for c in manifest.columns[1:]] == ["binary", "binary", "list<item: binary>", "string"]
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert bench.rows("t") == before


async def test_what_a_role_may_not_call_is_read_all_the_same(bench: Bench) -> None:
    """The service's role needs no rights on the schema in which a type is."""
    bench.execute(
        "CREATE SCHEMA hidden",
        "CREATE TYPE hidden.mood AS ENUM ('good')",
        "CREATE TYPE hidden.pair AS (a int, b hidden.mood)",
        "CREATE TABLE t (at int, v hidden.mood, w hidden.pair[]) PARTITION BY RANGE (at)",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "INSERT INTO t VALUES (1, 'good', '{\"(1,good)\"}')",
        "CREATE ROLE reader_of_types LOGIN PASSWORD 'p'",
        f"GRANT USAGE ON SCHEMA {bench.schema} TO reader_of_types",
        "GRANT SELECT ON ALL TABLES IN SCHEMA " + bench.schema + " TO reader_of_types",
    )
    owner, bench.ledger, bench.url = bench.url, bench.url, make_conninfo(bench.url, user="reader_of_types", password="p")
    try:
        archived = await _archived(bench, await bench.archive("t", "p"))
    finally:
        bench.url = owner
        bench.execute("DROP OWNED BY reader_of_types", "DROP ROLE reader_of_types")
    assert (archived["v"], archived["w"]) == (["good"], [["(1,good)"]])


async def test_a_text_that_the_type_does_not_read_is_named(bench: Bench) -> None:
    """An archive of an earlier version may have what a cast made of a value: it is not taken for the value."""
    bench.execute(TYPES, *_casts(), "CREATE TABLE own (at int, v pair)", *_table({"text": "two"}))
    manifest = await bench.archive("t", "p")
    renamed = manifest.model_copy(
        update={
            "columns": (
                manifest.columns[0],
                manifest.columns[1].model_copy(update={"postgresql_type": f"{bench.schema}.pair"}),
            )
        }
    )
    bench.execute("DROP TABLE own", f"CREATE TABLE own (at int, text {bench.schema}.pair)")
    with pytest.raises(PermanentError, match=r"'text'.*malformed record literal: \"two\""):
        await bench.restore(renamed, into="own")
    assert bench.rows("own") == {}
