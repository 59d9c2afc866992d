"""Values that stand for objects of the database (`regclass` and its like) come back, whether the object is there or not."""

from __future__ import annotations

import pytest

from archival_core.errors import PermanentError
from tests.contract.restore_support import Bench

#: By type: values, the first of which stands for nothing, and the last for what is not there any more.
NAMES = {
    "regclass": ["0", "'pg_class'", "'\"Odd name\"'", "987654321"],
    "regtype": ["0", "'integer'", "'\"char\"'", "'timestamptz[]'", "987654321"],
    "regproc": [
        "0",
        "'now'",
        "'abs(int8)'::regprocedure",
        "'abs(int4)'::regprocedure",
        "'odd(int)'::regprocedure",
        "987654321",
    ],
    "regprocedure": ["0", "'abs(int8)'", "'odd(int)'", "987654321"],
    "regoper": [
        "0",
        "'||/'",
        "'+(int4,int4)'::regoperator",
        "'+(int8,int8)'::regoperator",
        "'!!(none,int4)'::regoperator",
        "987654321",
    ],
    "regoperator": ["0", "'+(int4,int4)'", "'-(NONE,int4)'", "987654321"],
    "regrole": ["0", "'postgres'", "'\"Odd role\"'", "987654321"],
    "regnamespace": ["0", "'pg_catalog'", "987654321"],
    "regcollation": ["0", "'\"C\"'", "987654321"],
    "regconfig": ["0", "'english'", "987654321"],
    "regdictionary": ["0", "'simple'", "987654321"],
}
OBJECTS = (
    'CREATE TABLE "Odd name" ()',
    "CREATE FUNCTION odd(int) RETURNS int LANGUAGE sql AS 'SELECT $1'",
    "CREATE FUNCTION odd(int, \"Odd name\") RETURNS int LANGUAGE sql AS 'SELECT $1'",
    "CREATE FUNCTION bits(int) RETURNS int LANGUAGE sql AS 'SELECT ~$1'",
    "CREATE OPERATOR !! (RIGHTARG = int, FUNCTION = bits)",
    'CREATE ROLE "Odd role"',
)
_TABLE = "CREATE TABLE t (at int, {0} {0}, many {0}[]) PARTITION BY RANGE (at)"
_CHUNK = "CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"


def _rows(kind: str, values: list[str]) -> list[str]:
    return [f"INSERT INTO t VALUES ({n}, {value}::{kind}, ARRAY[{value}::{kind}, NULL])" for n, value in enumerate(values)]


def _oids(bench: Bench, kind: str) -> list[tuple[object, ...]]:
    """Which objects they are, whatever their names."""
    return bench.query(f"SELECT at, {kind}::oid, many[1]::oid, many[2] IS NULL FROM t ORDER BY at")


@pytest.mark.parametrize("kind", NAMES)
async def test_every_object_comes_back_and_what_is_none(bench: Bench, kind: str) -> None:
    bench.execute('DROP ROLE IF EXISTS "Odd role"', *OBJECTS, _TABLE.format(kind), _CHUNK, *_rows(kind, NAMES[kind]))
    before = _oids(bench, kind)
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert _oids(bench, kind) == before
    bench.execute('DROP ROLE "Odd role"')


async def test_an_object_that_went_before_the_archive(bench: Bench) -> None:
    bench.execute("CREATE TABLE gone ()", _TABLE.format("regclass"), _CHUNK, *_rows("regclass", ["'gone'"]), "DROP TABLE gone")
    before = _oids(bench, "regclass")
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p")
    await bench.restore(manifest)
    assert _oids(bench, "regclass") == before


async def test_an_object_that_went_after_the_archive(bench: Bench) -> None:
    """Its name is all that is known of it: its rows come back where the column is text."""
    bench.execute("CREATE TABLE gone ()", _TABLE.format("regclass"), _CHUNK, *_rows("regclass", ["'gone'", "'pg_class'"]))
    manifest = await bench.archive("t", "p")
    bench.execute("DROP TABLE p", "DROP TABLE gone", "CREATE TABLE own (at int, regclass text, many text[])")
    with pytest.raises(
        PermanentError, match=r"columns 'regclass', 'many' .*relation \S+gone\S* does not exist; .* it is text"
    ) as caught:
        await bench.restore(manifest)
    assert caught.value.code == "unreadable-value"
    await bench.restore(manifest, into="own")
    gone = f"{bench.schema}.gone"
    assert bench.query("TABLE own") == [(0, gone, [gone, None]), (1, "pg_class", ["pg_class", None])]


async def test_functions_of_one_name_are_not_taken_for_each_other(bench: Bench) -> None:
    bench.execute(_TABLE.format("regproc"), _CHUNK, *_rows("regproc", ["'abs(int4)'::regprocedure"]))
    manifest = await bench.archive("t", "p")
    bench.execute("DELETE FROM p", *_rows("regproc", ["'abs(int8)'::regprocedure"]))
    with pytest.raises(PermanentError, match="holds 1 rows") as caught:
        await bench.restore(manifest)
    assert caught.value.code == "would-double"


async def test_archives_of_earlier_versions_have_other_texts(bench: Bench) -> None:
    """They were taken by casts to text: a host had its mask, a function no arguments."""
    bench.execute(
        "CREATE TABLE t (at int, a text, b text[], c text, d text, e text) PARTITION BY RANGE (at)",
        _CHUNK,
        "INSERT INTO t VALUES (1, '10.0.0.1/32', '{::1/128,NULL,10.0.0.1/8}', 'now', '||/', 'pg_class')",
        "INSERT INTO t VALUES (2)",
    )
    manifest = await bench.archive("t", "p")
    kinds = dict(zip("abcde", ("inet", "inet[]", "regproc", "regoper", "regclass"), strict=True))
    columns = [c.model_copy(update={"postgresql_type": kinds.get(c.name, c.postgresql_type)}) for c in manifest.columns]
    earlier = manifest.model_copy(update={"columns": tuple(columns)})
    await bench.restore(earlier, into="own")
    assert bench.rows("own") == {'(1,10.0.0.1,"{::1,NULL,10.0.0.1/8}",now,||/,pg_class)': 1, "(2,,,,,)": 1}
