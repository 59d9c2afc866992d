"""Who waits for the service's sessions, and for how long these wait for others, on a real server."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from archival_core.clients.postgres.database import Database
from archival_core.errors import GaveWayError
from archival_core.flows.jobs.watches import giving_way
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.session import piped
from archival_core.source.state.snapshot import waiting
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.snapshot.waiting import BRIEFLY, Sessions, end, who_waits
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches
from tests.contract.source_support import Connection
from tests.kit.queued_ddl import Application

TABLES = """
create table {0}.readings (time timestamptz not null) partition by range (time);
create table {0}.jan partition of {0}.readings for values from ('2026-01-01Z') to ('2026-02-01Z') partition by range (time);
create table {0}.early partition of {0}.jan for values from ('2026-01-01Z') to ('2026-01-15Z');
create table {0}.feb partition of {0}.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table {0}.mar partition of {0}.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
create table {0}.other (i int);
"""


@pytest.fixture
def url(source_database_url: str) -> str:
    return make_conninfo(source_database_url, application_name="archival_service")


@pytest.fixture
async def conn(url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        yield conn


@pytest.fixture
async def schema(conn: Connection) -> AsyncIterator[str]:
    name = f"waiting_{uuid.uuid4().hex[:12]}"
    await conn.execute(f"create schema {name}; {TABLES.format(name)}".encode())
    yield name
    await conn.execute(f"drop schema {name} cascade".encode())


@pytest.fixture
async def reader(url: str, schema: str) -> AsyncIterator[Connection]:
    """A session that reads the chunk for February."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn, conn.transaction():
        await conn.execute(f"select from {schema}.feb".encode())
        yield conn


async def waits(conn: Connection, reader: Connection, schema: str) -> str | None:
    sessions = Sessions()
    with sessions.with_one_more(reader.info.backend_pid):
        return await who_waits(conn, sessions, Relation(schema, "readings"))


async def test_nobody_waits(conn: Connection, reader: Connection, schema: str) -> None:
    assert await waits(conn, reader, schema) is None


@pytest.mark.parametrize(
    "ddl",
    [
        "alter table {0}.feb add check (time is not null)",
        "alter table {0}.readings add more int",
        "truncate {0}.readings",
        "drop table {0}.feb",
        "alter table {0}.readings detach partition {0}.feb",
    ],
)
async def test_who_waits_for_the_chunk(
    source_database_url: str, conn: Connection, reader: Connection, schema: str, ddl: str
) -> None:
    async with Application(source_database_url).queued(ddl.format(schema)) as waiting:
        found = await waits(conn, reader, schema)
        assert found is not None and f"{schema}.feb" in found
        waiting.cancel()


@pytest.mark.parametrize(
    ("by", "named", "is_counted"),
    [("readings", "early", True), ("mar", "early", True), ("other", "early", False), ("mar", "other", False)],
)
async def test_who_works_through_the_tree(
    source_database_url: str, conn: Connection, reader: Connection, schema: str, by: str, named: str, is_counted: bool
) -> None:
    """They have one of the tables, and wait for another, which is not ours yet."""
    ddl = f"begin; lock table only {schema}.{by} in access exclusive mode; lock table {schema}.{named}"
    async with await psycopg.AsyncConnection.connect(source_database_url) as somebody:
        await somebody.execute(f"select from {schema}.{named}".encode())
        async with Application(source_database_url).queued(ddl) as waiting:
            assert (await waits(conn, reader, schema) is not None) == is_counted
            waiting.cancel()


async def test_who_waits_for_an_index_that_waits_for_the_snapshot(
    source_database_url: str, url: str, conn: Connection, schema: str
) -> None:
    application = Application(source_database_url)
    async with await psycopg.AsyncConnection.connect(url) as reader:
        await reader.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await reader.execute(f"select from {schema}.feb".encode())
        async with (
            application.queued(f"create index concurrently on {schema}.other (i)") as index,
            application.queued(f"alter table {schema}.other add more int") as altering,
        ):
            # the index waits for transactions one after the other, and for the snapshot last
            async with asyncio.timeout(20):
                while (found := await waits(conn, reader, schema)) is None:
                    await asyncio.sleep(0.05)
            assert f"{schema}.other" in found
            altering.cancel()
            index.cancel()


async def test_the_service_s_own_removal_is_of_one_chunk(url: str, conn: Connection, reader: Connection, schema: str) -> None:
    ddl = f"begin; lock table only {schema}.readings in access exclusive mode; lock table {schema}.mar"
    async with await psycopg.AsyncConnection.connect(url) as somebody:
        await somebody.execute(f"select from {schema}.mar".encode())
        async with Application(url).queued(ddl) as waiting:
            assert await waits(conn, reader, schema) is None
            waiting.cancel()


async def test_sessions_of_others_are_not_ended(source_database_url: str, url: str, conn: Connection) -> None:
    async with (
        await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as theirs,
        await psycopg.AsyncConnection.connect(url) as ours,
    ):
        sessions = Sessions()
        with sessions.with_one_more(theirs.info.backend_pid), sessions.with_one_more(ours.info.backend_pid):
            await end(conn, sessions)
        await theirs.execute("select 1")
        with pytest.raises(psycopg.errors.AdminShutdown):
            await ours.execute("select 1")


@pytest.mark.parametrize("last", ["nothing", "an answer"])
async def test_sessions_end_whatever_the_work_waits_for(source_database_url: str, url: str, schema: str, last: str) -> None:
    """Work that is called off, and cannot let go before the ALTER TABLE is done."""
    application, tree = Application(source_database_url), Relation(schema, "readings")
    async with (
        Database(url).connect() as beginning,
        await psycopg.AsyncConnection.connect(url) as reader,
    ):
        await reader.execute(f"select from {schema}.feb".encode())
        statements = (f"alter table {tree} add more int", f"select count(*) from {schema}.feb")
        altering = asyncio.create_task(application.alter(*statements))
        with pytest.raises(GaveWayError):
            async with giving_way.giving_way(Database(url), beginning, tree) as sessions:
                with sessions.with_one_more(reader.info.backend_pid):
                    try:
                        await asyncio.sleep(8)
                    finally:
                        await asyncio.wait([altering], timeout=8)
                        if last == "an answer":
                            await reader.execute("select 1")
        assert altering.done() and altering.result() < 4
        with pytest.raises(psycopg.OperationalError):
            await reader.execute("select 1")


async def test_a_session_that_writes_to_its_client_is_ended(url: str, conn: Connection) -> None:
    """It hears of nothing but its own end: whoever reads from it may be waiting for the lake."""
    async with await psycopg.AsyncConnection.connect(url) as ours, ours.cursor() as cursor:
        sessions = Sessions()
        with sessions.with_one_more(ours.info.backend_pid):
            async with cursor.copy("copy (select repeat('x', 10000) from generate_series(1, 100000)) to stdout"):
                await _until(conn, "wait_event = 'ClientWrite'", sessions.pids)
                await end(conn, sessions)
                await _until(conn, "false", sessions.pids)
                ours.pgconn.finish()


async def test_a_session_that_waits_in_a_pipeline_is_ended(url: str, conn: Connection) -> None:
    """To the server it is at work, and it hears of no cancellation."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as ours:
        sessions = Sessions()
        with sessions.with_one_more(ours.info.backend_pid), pytest.raises(psycopg.OperationalError):
            async with piped(ours):
                await (await ours.execute("select 1")).fetchone()
                await _until(conn, "state = 'active' and wait_event = 'ClientRead'", sessions.pids)
                await end(conn, sessions)
                await _until(conn, "false", sessions.pids)


async def _until(conn: Connection, state: str, pids: list[int]) -> None:
    """Wait until the only session of `pids` is in `state`, or, if no state is true, until it has ended."""
    question = f"select count(*) filter (where {state}), count(*) from pg_stat_activity where pid = any(%s)"
    deadline = time.monotonic() + 5
    while (counts := await (await conn.execute(question.encode(), (pids,))).fetchone()) not in ((1, 1), (0, 0)):
        assert time.monotonic() < deadline, counts
        await asyncio.sleep(0.05)


async def test_what_is_told_to_wait_briefly_gives_up(source_database_url: str, schema: str) -> None:
    async with (
        await psycopg.AsyncConnection.connect(source_database_url) as somebody,
        Database(source_database_url).connect(BRIEFLY) as conn,
    ):
        await somebody.execute(f"lock table {schema}.feb".encode())
        began = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await asyncio.wait_for(conn.execute(f"select from {schema}.feb".encode()), 10)
        assert time.monotonic() - began < 4


async def test_a_part_behind_an_alter_table_gives_up(source_database_url: str, conn: Connection, schema: str) -> None:
    """The ALTER TABLE waits for whoever holds the snapshot, and the part for the ALTER TABLE: no cycle that PostgreSQL sees."""
    chunk = await catalog.find_chunk(conn, Relation(schema, "readings"), Relation(schema, "feb"))
    async with ReadSnapshot(conn, chunk) as snapshot:
        plan = plan_columns(await catalog.columns(conn, chunk.hypertable))
        reading = (source_database_url, snapshot.snapshot_id, chunk, plan)
        async with Application(source_database_url).queued(f"alter table {schema}.readings add more int") as waiting:
            began = time.monotonic()
            with pytest.raises(GaveWayError) as caught:
                await asyncio.to_thread(lambda: list(read_batches(*reading)))
            assert caught.value.code == "gave-way"
            assert 2.5 < time.monotonic() - began < 4
            waiting.cancel()
        # the next one has its lock
        assert await asyncio.to_thread(lambda: list(read_batches(*reading))) == []


async def test_a_snapshot_behind_an_alter_table_gives_up(source_database_url: str, conn: Connection, schema: str) -> None:
    chunk = await catalog.find_chunk(conn, Relation(schema, "readings"), Relation(schema, "jan"))
    async with await psycopg.AsyncConnection.connect(source_database_url) as somebody:
        await somebody.execute(f"lock table {schema}.early".encode())
        began = time.monotonic()
        with pytest.raises(GaveWayError) as caught:
            async with ReadSnapshot(conn, chunk):
                pass
        assert caught.value.code == "gave-way"
        assert time.monotonic() - began < 4


async def test_whoever_watches_goes_on_after_a_defect(
    source_database_url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch that has ended sees nobody, and an application would wait for as long as the work takes."""
    defects = iter([RuntimeError("a defect of the look")])

    async def look(conn: Connection, sessions: Sessions, tree: Relation) -> str | None:
        for defect in defects:
            raise defect
        return await who_waits(conn, sessions, tree)

    monkeypatch.setattr(waiting, "who_waits", look)
    source = Database(source_database_url)
    async with source.connect() as connection:
        with pytest.raises(GaveWayError):
            async with giving_way.giving_way(source, connection, Relation(schema, "readings")), connection.transaction():
                await connection.execute(f"select from {schema}.feb".encode())
                async with Application(source_database_url).queued(f"alter table {schema}.feb add more int"):
                    await asyncio.sleep(10)
    assert list(defects) == []
