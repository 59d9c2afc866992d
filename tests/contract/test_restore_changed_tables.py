"""Restores into tables whose columns, types, triggers or very existence have changed since."""

from __future__ import annotations

import asyncio

import pytest

from archival_core.errors import PermanentError
from tests.contract.restore_support import JANUARY, READINGS, Bench, refused


async def test_columns_that_have_changed(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    expected = bench.query("SELECT time, id, value, 'new' FROM jan ORDER BY id")
    bench.execute("DELETE FROM jan", "ALTER TABLE readings ADD COLUMN added text NOT NULL DEFAULT 'new'")
    await bench.restore(manifest)
    assert bench.query("SELECT time, id, value, added FROM jan ORDER BY id") == expected
    bench.execute("DELETE FROM jan", "ALTER TABLE readings ALTER COLUMN added DROP DEFAULT")
    await bench.restore(manifest)
    assert bench.query("SELECT time, id, value, added FROM jan ORDER BY id") == expected
    # rows that were there when the column came are written anew, and nobody knows any more what they had in it
    bench.execute("DELETE FROM jan", "VACUUM FULL jan", "VACUUM FULL feb")
    assert await refused(bench, manifest) == "target-refuses"
    bench.execute("ALTER TABLE readings DROP COLUMN added", "ALTER TABLE readings ALTER COLUMN device TYPE varchar(30)")
    assert await refused(bench, manifest) == "columns-differ"


async def test_a_domain_that_has_changed_takes_only_what_it_holds(bench: Bench) -> None:
    bench.execute(
        "CREATE DOMAIN price AS numeric(10, 2)",
        "CREATE TABLE readings (at int, v price) PARTITION BY RANGE (at)",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM (0) TO (10)",
        "INSERT INTO readings VALUES (1, 1.50)",
    )
    manifest = await bench.archive("readings", "jan")
    change = [
        "DROP TABLE readings",
        "DROP DOMAIN price",
        "CREATE DOMAIN price AS {}",
        "CREATE TABLE readings (at int, v price) PARTITION BY RANGE (at)",
    ]
    bench.execute(*(s.format("numeric(10, 1)") for s in change))
    assert await refused(bench, manifest) == "lossy-type"
    bench.execute(*(s.format("text") for s in change))
    await bench.restore(manifest)
    assert bench.rows("readings") == {"(1,1.50)": 1}


async def test_an_enum_that_has_lost_a_label(bench: Bench) -> None:
    bench.execute(
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE TABLE readings (at int, v mood) PARTITION BY RANGE (at)",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM (0) TO (10)",
        "INSERT INTO readings VALUES (1, 'good'), (2, 'bad')",
    )
    manifest = await bench.archive("readings", "jan")
    bench.execute(
        "DROP TABLE readings",
        "DROP TYPE mood",
        "CREATE TYPE mood AS ENUM ('good')",
        "CREATE TABLE readings (at int, v mood) PARTITION BY RANGE (at)",
    )
    with pytest.raises(PermanentError, match="'good', 'bad' when the rows were archived, and has 'good'") as caught:
        await bench.restore(manifest)
    assert caught.value.code == "labels-differ"
    assert bench.rows("readings") == {}


EXCHANGED = ("mood RENAME VALUE 'it''s' TO 'x'", "mood RENAME VALUE 'bad' TO 'it''s'", "mood RENAME VALUE 'x' TO 'bad'")


@pytest.mark.parametrize(
    "changes",
    [EXCHANGED, ("mood RENAME VALUE 'bad' TO 'worse'", "mood ADD VALUE 'bad' BEFORE 'it''s'")],
    ids=["exchanged", "again"],
)
async def test_labels_that_have_changed_their_meaning(bench: Bench, changes: tuple[str, ...]) -> None:
    bench.execute(
        "CREATE TYPE mood AS ENUM ('it''s', 'bad')",
        "CREATE DOMAIN feeling AS mood",
        "CREATE TABLE readings (at int, v feeling[]) PARTITION BY RANGE (at)",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM (0) TO (10)",
        "INSERT INTO readings VALUES (1, '{bad}'), (2, '{it''s}')",
    )
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan", "ALTER TYPE mood ADD VALUE 'fine' BEFORE 'bad'")
    assert (await bench.restore(manifest)).inserted == 2
    bench.execute("TRUNCATE readings", *(f"ALTER TYPE {change}" for change in changes))
    assert await refused(bench, manifest) == "labels-differ"
    assert await refused(bench, manifest, into="own", table=None) == "labels-differ"
    assert bench.query("SELECT to_regclass('own')") == [(None,)]
    bench.execute("CREATE TABLE own (at int, v text[])")
    assert (await bench.restore(manifest, into="own")).inserted == 2
    assert bench.rows("own") == {"(1,{bad})": 1, "(2,{it's})": 1}


async def test_a_composite_type_that_has_other_attributes(bench: Bench) -> None:
    bench.execute(
        "CREATE TYPE pair AS (low int, high int)",
        "CREATE DOMAIN span AS pair",
        "CREATE TABLE readings (at int, v span[]) PARTITION BY RANGE (at)",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM (0) TO (10)",
        "INSERT INTO readings VALUES (1, ARRAY[ROW(1, 2)::span])",
    )
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    assert (await bench.restore(manifest)).inserted == 1
    # high goes where low was
    bench.execute("TRUNCATE readings", "ALTER TYPE pair DROP ATTRIBUTE low", "ALTER TYPE pair ADD ATTRIBUTE wide int")
    assert await refused(bench, manifest) == "columns-differ"
    assert await refused(bench, manifest, into="own", table=None) == "columns-differ"
    bench.execute("CREATE TABLE own (at int, v text[])")
    assert (await bench.restore(manifest, into="own")).inserted == 1
    # a table that is gone gets the type again, if that is gone too
    bench.execute("DROP TABLE readings, own", "DROP DOMAIN span", "DROP TYPE pair")
    assert (await bench.restore(manifest, recreate=True)).inserted == 1
    assert bench.query("SELECT (v[1]).low, (v[1]).high FROM readings") == [(1, 2)]


@pytest.mark.parametrize("drop_types", [False, True])
async def test_a_table_that_is_gone(bench: Bench, drop_types: bool) -> None:
    bench.execute(
        "CREATE TYPE mood AS ENUM ('good', 'it''s $make$ bad')", "CREATE DOMAIN price AS numeric(10, 2) CHECK (VALUE > 0)"
    )
    bench.execute(
        READINGS,
        "ALTER TABLE readings ADD COLUMN m mood, ADD COLUMN p price[]",
        "UPDATE readings SET m = 'it''s $make$ bad', p = '{1}'",
    )
    before, january = bench.rows("readings"), bench.rows("jan")
    manifest = await bench.archive("readings", "jan")
    february = await bench.archive("readings", "feb")
    bench.execute("DROP TABLE readings")
    if drop_types:
        bench.execute("DROP TYPE mood; DROP DOMAIN price")
    assert await refused(bench, manifest, table=False) == "table-gone"
    if drop_types:
        assert await refused(bench, manifest, table=False, into="own") == "unknown-type"
    restored = await asyncio.gather(*(bench.restore(archive, recreate=True) for archive in (manifest, manifest, february)))
    assert sorted(r.inserted for r in restored) == [0, 1536, 4464]
    assert [r.is_new for r in restored].count(True) == 1
    assert bench.rows("readings") == before
    assert bench.rows("jan") == january
    bench.execute("INSERT INTO readings (time, value) VALUES ('2026-01-07 00:00+00', 1)")
    assert bench.query("SELECT max(id) FROM jan") == [(6001,)]


async def test_ddl_that_does_not_run(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE readings")
    for ddl in ("CREATE TABLE a (b public.nothing);", "SELECT 1;", "CREATE TABLE ("):
        code = await refused(bench, manifest.model_copy(update={"ddl": ddl}), table=False, recreate=True)
        assert code == "not-recreated"
    bench.execute("CREATE TABLE readings (time int)")
    assert await refused(bench, manifest, recreate=True) == "another-table"


async def test_types_in_a_manifest_are_only_types(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    for text in ("text); DROP TABLE readings; --", "text DEFAULT now()", "text, more text", ""):
        columns = tuple(c.model_copy(update={"postgresql_type": text}) if c.name == "device" else c for c in manifest.columns)
        assert await refused(bench, manifest.model_copy(update={"columns": columns}), into="own") in (
            "unknown-type",
            "target-refuses",
        )
    for bound in ("2026-01-01'::timestamptz OR true --", "x"):
        assert await refused(bench, manifest.model_copy(update={"range_start": bound}), into="own") == "target-refuses"
    hostile = manifest.model_copy(update={"time_type": "int); DROP TABLE readings; --"})
    assert await refused(bench, hostile) == "unsupported-time-type"


async def test_generated_columns_must_come_out_as_they_were(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    for loss in ("DELETE FROM jan", "DROP TABLE jan"):
        bench.execute(
            loss,
            "ALTER TABLE readings DROP COLUMN doubled",
            "ALTER TABLE readings ADD COLUMN doubled numeric GENERATED ALWAYS AS (value * 3) STORED",
        )
        with pytest.raises(PermanentError, match="'doubled'") as caught:
            await bench.restore(manifest)
        assert caught.value.code == "generated-differs"
    assert bench.query(JANUARY) == [(0,)]
    await bench.restore(manifest, into="own")


async def test_triggers_fire_only_if_asked(bench: Bench) -> None:
    bench.execute(
        READINGS,
        "CREATE TABLE fired (id bigint)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql"
        f" AS 'BEGIN INSERT INTO {bench.schema}.fired VALUES (new.id); RETURN new; END'",
    )
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("CREATE TRIGGER note AFTER INSERT ON readings FOR EACH ROW EXECUTE FUNCTION note()", "DROP TABLE jan")
    # a partition that is made anew gets the trigger after its rows
    assert (await bench.restore(manifest)).inserted == 4464
    assert bench.query("SELECT count(*) FROM fired") == [(0,)]
    bench.execute("DELETE FROM jan")
    assert await refused(bench, manifest) == "target-has-triggers"
    await bench.restore(manifest, fire_triggers=True)
    assert bench.query("SELECT count(*) FROM fired") == [(4464,)]
    bench.execute("DELETE FROM jan", "ALTER TABLE readings DISABLE TRIGGER note")
    await bench.restore(manifest)
    assert bench.query("SELECT count(*) FROM fired") == [(4464,)]
    assert bench.rows("readings") == before


@pytest.mark.parametrize("result", ["NULL", "new"])
async def test_a_trigger_that_changes_rows_is_found_out(bench: Bench, result: str) -> None:
    bench.execute(
        READINGS,
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS"
        f" 'BEGIN IF new.id = 7 THEN new.device := ''x''; RETURN {result}; END IF; RETURN new; END'",
    )
    manifest = await bench.archive("readings", "jan")
    bench.execute("DELETE FROM jan", "CREATE TRIGGER meddle BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION meddle()")
    assert await refused(bench, manifest, fire_triggers=True) == "placed-differs"


async def test_a_trigger_that_waits_for_the_commit_is_found_out(bench: Bench) -> None:
    bench.execute(
        READINGS,
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql"
        f" AS 'BEGIN DELETE FROM {bench.schema}.readings WHERE id = new.id AND id = 7; RETURN NULL; END'",
    )
    manifest = await bench.archive("readings", "jan")
    bench.execute(
        "DELETE FROM jan",
        "CREATE CONSTRAINT TRIGGER forget AFTER INSERT ON readings DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION forget()",
    )
    assert await refused(bench, manifest, fire_triggers=True) == "placed-differs"


async def test_a_function_that_names_no_schema_is_told(bench: Bench) -> None:
    bench.execute(
        "CREATE FUNCTION small(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)'",
        "CREATE FUNCTION key(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN small($1); END'",
        "CREATE TABLE readings (at int, v text, k text GENERATED ALWAYS AS (key(v)) STORED) PARTITION BY RANGE (at)",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM (0) TO (10)",
        "INSERT INTO readings VALUES (1, 'A')",
    )
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    with pytest.raises(PermanentError, match=r"function small\(text\) does not exist.*SET search_path"):
        await bench.restore(manifest)
    bench.execute(f"ALTER FUNCTION key(text) SET search_path = {bench.schema}, pg_catalog")
    assert (await bench.restore(manifest)).inserted == 1
    assert bench.rows("readings") == {"(1,A,a)": 1}


async def test_names_that_may_be_those_of_other_columns_in_a_copy(bench: Bench) -> None:
    bench.execute(
        "CREATE TABLE readings (at int, v int) PARTITION BY RANGE (at)",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM (0) TO (10)",
        "INSERT INTO readings VALUES (1, 7)",
    )
    manifest = await bench.archive("readings", "jan")
    other = manifest.model_copy(update={"source": manifest.source.model_copy(update={"system_identifier": "7"})})
    # as a dump brings it along: `v` was renamed, and there is a new one
    bench.execute("DROP TABLE readings", "CREATE TABLE readings (at int, raw int, v int) PARTITION BY RANGE (at)")
    assert await refused(bench, other) == "columns-differ"
    assert (await bench.restore(other, into="own")).inserted == 1
    # columns that were dropped, or added at the end, leave no doubt
    bench.execute("DROP TABLE readings", "CREATE TABLE readings (at int, v int, more int) PARTITION BY RANGE (at)")
    assert (await bench.restore(other)).inserted == 1
    assert bench.rows("readings") == {"(1,7,)": 1}
    # here people have made the table anew, and said so by the names
    bench.execute("DROP TABLE readings", "CREATE TABLE readings (v int, at int) PARTITION BY RANGE (at)")
    assert (await bench.restore(manifest)).inserted == 1
    assert bench.rows("readings") == {"(7,1)": 1}
