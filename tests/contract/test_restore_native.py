"""Archives of PostgreSQL's own partitions come back once, and into the table that was asked for."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, LostLeaseError, PermanentError
from archival_core.flows.restore.archive_loader import ArchiveLoader
from archival_core.flows.restore.chunk_restore import Restored, RestoreWish, _prepare
from archival_core.model.lake.manifest import Manifest
from archival_core.source.restore.loading.load import Loading
from archival_core.source.restore.loading.staging import StagingTable, drop_job_staging, staging_tables
from archival_core.source.restore.placing.placing import place
from dev.lake_emulator import Emulator
from tests.contract.restore_support import Bench, quoted

READINGS = """
CREATE TABLE readings (
    time timestamptz NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, device text, value numeric(8, 2),
    doubled numeric GENERATED ALWAYS AS (value * 2) STORED, PRIMARY KEY (time, id)
) PARTITION BY RANGE (time);
CREATE TABLE jan PARTITION OF readings FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
CREATE TABLE feb PARTITION OF readings FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
INSERT INTO readings (time, device, value)
SELECT timestamptz '2026-01-01 00:00+00' + i * interval '10 minutes', 'dev ' || i % 5, i / 100.0
FROM generate_series(0, 5999) i;
"""
JANUARY = "SELECT count(*) FROM readings WHERE time < '2026-02-01 00:00+00'"


async def refused(bench: Bench, manifest: Manifest, **wish: Any) -> str:
    """The code of the error, and that nothing came of it."""
    before = bench.rows("readings") if wish.get("table", True) else None
    wish.pop("table", None)
    job_id = uuid.uuid4()
    with pytest.raises(ArchivalError) as caught:
        await wish.pop("by", bench).restore(manifest, job_id=job_id, **wish)
    assert not [name for name in bench.staging() if name.startswith(job_id.hex)]
    if before is not None:
        assert bench.rows("readings") == before
    return caught.value.code


async def test_a_partition_that_is_gone_is_made_again(bench: Bench) -> None:
    bench.execute(READINGS)
    before, bounds = (
        bench.rows("readings"),
        bench.query("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'jan'"),
    )
    manifest = await bench.archive("readings", "jan", part_bytes=8 * 8192)
    assert len(manifest.parts) > 3
    bench.execute("DROP TABLE jan")
    restored = await bench.restore(manifest)
    assert (restored.inserted, restored.is_new) == (4464, False)
    assert bench.rows("readings") == before
    assert (
        bench.query(f"SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = '{bench.schema}.jan'::regclass") == bounds
    )
    # it is a full member of the table: it has its index, and the rows that come next have numbers of their own
    bench.execute("INSERT INTO readings (time, value) VALUES ('2026-01-07 00:00+00', 1)")
    assert bench.query("SELECT max(id) FROM jan") == [(6001,)]
    assert bench.query("SELECT count(*) FROM pg_index WHERE indrelid = 'jan'::regclass AND indisvalid") == [(1,)]


async def test_a_restore_may_be_repeated(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    # never removed; emptied; gone
    for loss, inserted in [("SELECT 1", 0), ("TRUNCATE jan", 4464), ("DROP TABLE jan", 4464)]:
        bench.execute(loss)
        assert (await bench.restore(manifest)).inserted == inserted
        assert (await bench.restore(manifest)).inserted == 0
        assert bench.rows("readings") == before


async def test_two_restores_at_once_do_not_double(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    for loss in ("DROP TABLE jan", "DELETE FROM jan"):
        bench.execute(loss)
        restored = await asyncio.gather(*(bench.restore(manifest) for _ in range(4)))
        assert sorted(r.inserted for r in restored) == [0, 0, 0, 4464]
        assert bench.rows("readings") == before


async def test_a_run_may_end_anywhere(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan", part_bytes=8 * 8192)
    bench.execute("DROP TABLE jan")
    job_id = uuid.uuid4()

    async def killed(*_: object) -> None:
        assert bench.rows("readings") < before
        raise KeyboardInterrupt

    for attempt in (1, 2):
        # not an error of ours, so nothing is tidied up, as after a kill
        with pytest.raises(KeyboardInterrupt):
            await bench.restore(manifest, attempt, job_id, record=killed)
        assert bench.rows("readings") < before
        [left] = bench.staging()
        assert StagingTable(left).owner == (job_id, attempt)
    async with Database(bench.url).connect() as connection:
        owners = [table.owner for table in await staging_tables(connection)]
        assert [owner for owner in owners if owner and owner[0] == job_id] == [(job_id, 2)]
        assert await drop_job_staging(connection, job_id, 1) == []
    recorded: list[Restored] = []

    async def record(connection: Connection, restored: Restored) -> None:
        await connection.execute("CREATE TABLE public.recorded ()")
        recorded.append(restored)

    assert (await bench.restore(manifest, 3, job_id, record=record)).inserted == 4464
    assert [r.inserted for r in recorded] == [4464]
    assert bench.rows("readings") == before
    assert bench.staging() == []
    bench.execute("DROP TABLE public.recorded")


async def test_a_run_may_be_cancelled_anywhere(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan", part_bytes=8 * 8192)
    bench.execute("DROP TABLE jan")
    job_id = uuid.uuid4()
    for attempt, seconds in enumerate((0.02, 0.1, 0.2, 0.3, 0.5, 0.8), 1):
        task = asyncio.create_task(bench.restore(manifest, attempt, job_id))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])
        assert bench.rows("readings") in (before, bench.rows("feb"))
    await bench.restore(manifest, 7, job_id)
    assert bench.rows("readings") == before
    assert bench.staging() == []


async def test_what_the_caller_writes_is_under_the_caller_s_settings(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    names = ("search_path", "timezone", "row_security", "lock_timeout", "statement_timeout", "client_encoding")
    found: list[Any] = []

    async def record(connection: Connection, _: Restored | None = None) -> None:
        found.append([await (await connection.execute(f"SHOW {name}".encode())).fetchone() for name in names])

    await bench.restore(manifest, record=record)
    async with Database(bench.url).connect() as connection:
        await record(connection)
    assert found[0] == found[1]


async def test_an_overtaken_attempt_restores_nothing(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")

    async def lost(*_: object) -> None:
        raise LostLeaseError("job", 1)

    assert await refused(bench, manifest, record=lost) == "lost-lease"


async def test_rows_are_never_doubled(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    bench.execute("INSERT INTO readings (time, device, value) VALUES ('2026-01-31 23:59+00', 'late', 1)")
    assert await refused(bench, manifest) == "would-double"
    with pytest.raises(PermanentError, match=r"4465 rows from 2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z, and .* has 4464"):
        await bench.restore(manifest)
    # all of the archive's rows are there, which is what was asked for
    assert (await bench.restore(manifest, beside=True)).inserted == 0
    for change in [
        "DELETE FROM jan WHERE value = 0.01",
        "UPDATE jan SET device = 'changed' WHERE value = 0.02",
        "UPDATE jan SET device = device || ' ' WHERE device = 'dev 1'",
        "DELETE FROM jan WHERE value > 0",
    ]:
        bench.execute(change)
        assert await refused(bench, manifest) == "would-double"
        assert await refused(bench, manifest, beside=True) == "would-double"
    await bench.restore(manifest, into="other")
    assert bench.query("SELECT count(*) FROM other") == [(4464,)]


async def test_rows_without_a_key_are_never_doubled(bench: Bench) -> None:
    """No unique index stands in the way: as many rows as the archive has, and other ones."""
    bench.execute(
        "CREATE TABLE readings (time timestamptz NOT NULL, value int) PARTITION BY RANGE (time)",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM ('2026-01-01Z') TO ('2026-02-01Z')",
        "INSERT INTO readings SELECT timestamptz '2026-01-01Z' + i * interval '1 hour', i FROM generate_series(1, 99) i",
    )
    manifest = await bench.archive("readings", "jan")
    bench.execute("UPDATE jan SET value = -1 WHERE value = 7")
    before = bench.rows("readings")
    assert await refused(bench, manifest) == "would-double"
    assert bench.rows("readings") == before


async def test_beside_rows_of_others(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DELETE FROM jan", "INSERT INTO readings (time, device, value) VALUES ('2026-01-31 23:59+00', 'late', 1)")
    late = bench.rows("jan")
    assert await refused(bench, manifest) == "would-double"
    assert (await bench.restore(manifest, beside=True)).inserted == 4464
    assert bench.rows("readings") == before + late
    assert (await bench.restore(manifest, beside=True)).inserted == 0
    assert bench.rows("readings") == before + late


async def test_equal_rows_are_as_many_as_before(bench: Bench) -> None:
    bench.execute(
        "CREATE TABLE readings (at int, v text) PARTITION BY RANGE (at);"
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM (0) TO (10);"
        "INSERT INTO readings SELECT 1, 'same' FROM generate_series(1, 5);"
        "INSERT INTO readings VALUES (2, NULL), (2, NULL), (2, '')"
    )
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DELETE FROM jan WHERE ctid = (SELECT min(ctid) FROM jan)")
    assert await refused(bench, manifest) == "would-double"
    assert await refused(bench, manifest, beside=True) == "would-double"
    bench.execute("DELETE FROM jan")
    await bench.restore(manifest)
    assert bench.rows("readings") == before


async def test_a_table_of_its_own(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("jan")
    manifest = await bench.archive("readings", "jan")
    february = await bench.archive("readings", "feb")
    name = 'own "table" % ä.' + "x" * 40
    restored = await bench.restore(manifest, into=name)
    assert (restored.is_new, restored.inserted) == (True, 4464)
    own = quoted(bench.schema, name)
    assert bench.rows(own) == before
    assert (await bench.restore(manifest, into=name)).inserted == 0
    # several archives may go into one
    assert (await bench.restore(february, into=name)).inserted == 1536
    assert bench.rows(own) == bench.rows("readings")
    columns = "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attgenerated FROM pg_attribute"
    assert bench.query(f"{columns} WHERE attrelid = '{own}'::regclass AND attnum > 0")[3:] == [
        ("value", "numeric(8,2)", False, ""),
        ("doubled", "numeric", False, ""),
    ]
    bench.execute(f"ALTER TABLE {own} ALTER COLUMN device TYPE varchar(20)", f"ALTER TABLE {own} DROP COLUMN value")
    with pytest.raises(PermanentError, match=r"'device' was text and is character varying.*'value' is gone") as caught:
        await bench.restore(manifest, into=name)
    assert caught.value.code == "columns-differ"
    bench.execute("CREATE VIEW view AS SELECT * FROM readings")
    assert await refused(bench, manifest, into="view") == "another-table"


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
    with pytest.raises(PermanentError, match=r'22P02.*"bad"'):
        await bench.restore(manifest)
    assert bench.rows("readings") == {}


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


async def test_names_and_ranges_that_are_taken(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan", "CREATE TABLE jan (a int)")
    assert await refused(bench, manifest) == "name-taken"
    bench.execute(
        "DROP TABLE jan",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM ('2027-01-01 00:00+00') TO ('2027-02-01 00:00+00')",
    )
    assert await refused(bench, manifest) == "name-taken"
    # another partition takes the rows, if it has room for all of them
    bench.execute(
        "DROP TABLE jan",
        "CREATE TABLE half PARTITION OF readings FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-01-09 00:00+00')",
    )
    assert await refused(bench, manifest) == "target-refuses"
    bench.execute(
        "DROP TABLE half",
        "CREATE TABLE more PARTITION OF readings FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-02-01 00:00+00')",
    )
    await bench.restore(manifest)
    assert bench.rows("readings") == before == bench.rows("more") + bench.rows("feb")


async def test_a_default_partition(bench: Bench) -> None:
    bench.execute(READINGS, "CREATE TABLE rest PARTITION OF readings DEFAULT")
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    await bench.restore(manifest)
    assert bench.rows("readings") == before
    bench.execute("DROP TABLE jan", "INSERT INTO readings (time, value) VALUES ('2026-01-05 00:00+00', 5)")
    assert await refused(bench, manifest) == "would-double"
    assert await refused(bench, manifest, beside=True) == "target-refuses"


async def test_no_row(bench: Bench) -> None:
    bench.execute(READINGS, "TRUNCATE jan")
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    assert (await bench.restore(manifest)).inserted == 0
    assert bench.rows("readings") == before
    assert bench.rows("jan") == {}
    bench.execute("INSERT INTO readings (time, value) VALUES ('2026-01-05 00:00+00', 5)")
    assert (await bench.restore(manifest)).inserted == 0
    assert (await bench.restore(manifest, into="own")).is_new


async def test_an_archive_that_is_damaged(bench: Bench, emulator: Emulator) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    [part] = manifest.parts
    for wrong in ({"rows": part.rows - 1}, {"digests": {**part.digests, "value": "other"}}, {"min_time": 5}):
        altered = manifest.model_copy(update={"parts": (part.model_copy(update=wrong),)})
        assert await refused(bench, altered) == "archive-damaged"
    altered = manifest.model_copy(update={"parts": (part, part)})
    assert await refused(bench, altered) == "staging-lost"
    file = emulator.root / "lake" / manifest.lake_path / part.file
    content = bytearray(file.read_bytes())
    for position in (len(content) // 3, len(content) - 3):
        content[position] ^= 1
        file.write_bytes(content)
        assert await refused(bench, manifest) == "archive-damaged"
    file.unlink()
    assert (await refused(bench, manifest)).startswith("lake-")


@pytest.mark.parametrize(
    "change", ["UPDATE {} SET c2 = 'x' WHERE c1 = 7", "DELETE FROM {} WHERE c1 = 7", "INSERT INTO {} DEFAULT VALUES"]
)
async def test_a_copy_that_is_not_the_archive(bench: Bench, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    append = Loading.append

    def append_and_change(self: Loading, batches: Any) -> int:
        rows = append(self, batches)
        self._execute(change.format(self._staging.relation.sql))
        return rows

    monkeypatch.setattr(Loading, "append", append_and_change)
    assert await refused(bench, manifest) == "restore-differs"


async def test_staging_that_was_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    load = ArchiveLoader.load
    change = "TRUNCATE"

    async def load_and_lose(self: ArchiveLoader) -> None:
        await load(self)
        bench.execute(f"{change} {self.staging.relation.sql}")

    monkeypatch.setattr(ArchiveLoader, "load", load_and_lose)
    assert await refused(bench, manifest) == "staging-lost"
    monkeypatch.undo()
    await bench.restore(manifest)
    assert bench.rows("readings") == before


async def test_rows_are_placed_only_in_a_transaction_that_sees_the_others(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    async with Database(bench.url).connect() as connection:
        placing = await _prepare(connection, manifest, RestoreWish())
        staging = StagingTable.of_worker(uuid.uuid4(), 1, uuid.uuid4())
        with pytest.raises(RuntimeError, match="transaction"):
            await place(connection, placing, staging)
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        with pytest.raises(RuntimeError, match="READ COMMITTED"):
            async with connection.transaction():
                await place(connection, placing, staging)


@pytest.fixture
def worker(bench: Bench) -> Iterator[Bench]:
    """The same bench by the hands of a user who has what a restore needs, and no more."""
    role, own = f"worker_{uuid.uuid4().hex[:12]}", "archival_restore"
    bench.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'p'", f"GRANT USAGE ON SCHEMA {bench.schema} TO {role}")
    bench.execute(f"ALTER SCHEMA {own} RENAME TO {own}_aside") if bench.plain(f"SELECT to_regnamespace('{own}')") else None
    address = urlsplit(bench.url)
    url = address._replace(netloc=f"{role}:p@{address.netloc.rpartition('@')[2]}").geturl()
    yield Bench(url, bench.schema, bench.lake, jobs=bench.jobs)
    bench.execute(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")
    bench.execute(f"ALTER SCHEMA {own}_aside RENAME TO {own}") if bench.plain(
        f"SELECT to_regnamespace('{own}_aside')"
    ) else None


async def test_least_privileges(bench: Bench, worker: Bench) -> None:
    role = urlsplit(worker.url).username
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DELETE FROM jan")
    assert await refused(bench, manifest, by=worker) == "source-permission-denied"
    bench.execute(f"GRANT SELECT, INSERT ON readings TO {role}")
    with pytest.raises(PermanentError, match="archival_restore"):
        await worker.restore(manifest)
    bench.execute(f"GRANT CREATE ON DATABASE {bench.plain('SELECT quote_ident(current_database())')} TO {role}")
    assert (await worker.restore(manifest)).inserted == 4464
    assert bench.rows("readings") == before
    # rows that a policy hides would be doubled
    bench.execute(
        "ALTER TABLE readings ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY all_in ON readings TO {role} USING (false) WITH CHECK (true)",
    )
    with pytest.raises(PermanentError, match="BYPASSRLS"):
        await worker.restore(manifest)
    bench.execute("ALTER TABLE readings DISABLE ROW LEVEL SECURITY", "DROP TABLE jan")
    with pytest.raises(PermanentError, match="own"):
        await worker.restore(manifest)
    assert bench.rows("readings") == bench.rows("feb")
