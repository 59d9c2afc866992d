"""A restore may be repeated, cut off and overtaken: its rows come back once, beside whatever is there."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import psycopg
import pytest

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import LostLeaseError, PermanentError, TransientError
from archival_core.flows.restore.chunk_restore import Restored, RestoreWish, _prepare
from archival_core.source.restore.loading.staging import StagingTable, drop_job_staging, staging_tables
from archival_core.source.restore.placing import placing
from archival_core.source.restore.placing.placing import place
from archival_core.source.state.origin import origin_of
from tests.contract.restore_support import READINGS, Bench, refused


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


async def test_rows_that_are_there_need_no_place(bench: Bench) -> None:
    """Whatever has the name of their partition by now."""
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("ALTER TABLE jan RENAME TO january", "CREATE VIEW jan AS SELECT 1 AS one")
    assert (await bench.restore(manifest)).inserted == 0
    assert bench.rows("readings") == before


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


async def test_a_schema_that_takes_the_name_of_another(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are placed by the table's name, and no lock of a table keeps its schema's name."""
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    former, next_one = f"{bench.schema}_former", f"{bench.schema}_next"
    bench.execute("DELETE FROM jan", f"CREATE SCHEMA {next_one}")
    # the search path does not tell of the other schema's tables
    with psycopg.connect(bench.url, autocommit=True, options=f"-c search_path={next_one}") as other:
        other.execute(READINGS.encode())
        other.execute(b"DELETE FROM jan")
    is_there = placing._is_there

    async def swapped(*arguments: Any) -> bool:
        bench.execute(f"ALTER SCHEMA {bench.schema} RENAME TO {former}", f"ALTER SCHEMA {next_one} RENAME TO {bench.schema}")
        return await is_there(*arguments)

    monkeypatch.setattr(placing, "_is_there", swapped)
    try:
        with pytest.raises(TransientError) as raised:
            await bench.restore(manifest)
        assert raised.value.code == "source-changed"
        for schema in (bench.schema, former):
            assert bench.query(f"SELECT count(*) FROM {schema}.jan") == [(0,)]
    finally:
        bench.execute(f"DROP SCHEMA IF EXISTS {former} CASCADE", f"DROP SCHEMA IF EXISTS {next_one} CASCADE")


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


async def test_rows_are_placed_only_in_a_transaction_that_sees_the_others(bench: Bench) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    async with Database(bench.url).connect() as connection:
        placing = await _prepare(connection, manifest, RestoreWish(), await origin_of(connection, manifest))
        staging = StagingTable.of_worker(uuid.uuid4(), 1, uuid.uuid4())
        with pytest.raises(RuntimeError, match="transaction"):
            await place(connection, placing, staging)
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        with pytest.raises(RuntimeError, match="READ COMMITTED"):
            async with connection.transaction():
                await place(connection, placing, staging)
