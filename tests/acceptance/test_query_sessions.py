"""A question has sessions of the source only for what it has to read there, and leaves some of them to the next question."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from archival_core.clients.postgres import pool
from archival_core.clients.postgres.database import Database, process_of
from archival_core.errors import AwayError, GaveWayError, TransientError
from archival_core.query.kept_sessions import KeptSessions, LaterSession
from archival_core.query.queries import Queries
from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

TABLE = """
create table $s.readings (time timestamptz not null, value int) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-02-28 23:00Z', '1 hour') t
"""

SESSIONS = "select count(*) from pg_stat_activity where application_name = 'archival_query'"

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.fixture
async def archived(service: Service) -> Service:
    """January is in the lake alone."""
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    return service


class _Counting:
    """Takes a result, and counts the sessions of questions meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.sessions = 0
        self.content = b""

    async def begin(self) -> None:
        self.content = b""

    def write(self, data: bytes) -> None:
        self.content += data
        with psycopg.connect(self._url) as connection:
            [(self.sessions,)] = connection.execute(SESSIONS.encode()).fetchall()


async def _counted(service: Service, condition: str) -> tuple[int, int]:
    """Rows, and sessions that were open when they were there."""
    sink, queries = _Counting(service.url), queries_of(service)
    await queries.ask(f"select count(*) from {service.schema}.readings where {condition}", "csv", sink)
    await queries.close()
    await _none_is_left(service)
    return int(sink.content.split()[-1]), sink.sessions


async def _none_is_left(service: Service) -> None:
    deadline = time.monotonic() + 10
    while service.rows(SESSIONS) != [(0,)]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_older_rows_than_any_live_one_need_the_session_of_the_snapshot_alone(archived: Service) -> None:
    for condition, rows in (
        ("time < '2026-02-01'", 31 * 24),
        ("time >= '2026-01-31' and time < timestamptz '2026-02-01'", 24),
        ("time < '2026-01-02' or (time < '2026-01-03' and value = 1)", 48),
    ):
        assert await _counted(archived, condition) == (rows, 1), condition
    for condition, rows in (
        ("time <= '2026-02-01'", 31 * 24 + 1),
        ("value = 1", 59 * 24),
        ("time > '2026-02-01'", 28 * 24 - 1),
    ):
        found, sessions = await _counted(archived, condition)
        assert (found, sessions > 1) == (rows, True), condition


async def test_rows_that_came_late_into_an_older_range_are_found(archived: Service) -> None:
    archived.execute("create table $s.late partition of $s.readings for values from ('2026-01-10Z') to ('2026-01-11Z')")
    archived.execute("insert into $s.readings values ('2026-01-10 12:00Z', 2)")
    assert (await _counted(archived, "time < '2026-02-01'"))[0] == 31 * 24 + 1
    assert await _counted(archived, "time < '2026-01-10'") == (9 * 24, 1)
    archived.execute("create table $s.rest partition of $s.readings default; insert into $s.readings values ('2026-01-05Z', 2)")
    assert (await _counted(archived, "time < '2026-01-10'"))[0] == 9 * 24 + 1


async def test_the_next_question_has_the_session_of_the_one_before(archived: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, sql = queries_of(archived), f"select count(*) as n from {archived.schema}.readings where time < '2026-02-01'"
    pids = SESSIONS.replace("count(*)", "pid")
    assert (await asked(queries, sql)).result.to_pylist() == [{"n": 744}]
    [kept] = archived.rows(pids)
    # what is committed since is seen, and a table that was made anew is another one
    archived.execute("alter table $s.readings add column later int default 7")
    assert (await asked(queries, sql.replace("as n", "as n, max(later) as l"))).result.to_pylist() == [{"n": 744, "l": 7}]
    assert archived.rows(pids) == [kept]
    archived.execute(f"select pg_terminate_backend({kept[0]})")
    assert (await asked(queries, sql)).result.to_pylist() == [{"n": 744}]
    [another] = archived.rows(pids)
    assert another != kept
    # the address may lead to another server by now
    monkeypatch.setattr(queries._sessions._pool, "_lifetime_seconds", 0.0)
    assert (await asked(queries, sql)).result.to_pylist() == [{"n": 744}]
    await _none_is_left(archived)


async def test_a_kept_session_that_ends_while_it_is_taken_fails_no_question(
    archived: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server says at the end of a session may be on its way still."""
    monkeypatch.setattr(pool, "_is_quiet", lambda _: True)
    monkeypatch.setattr(pool, "_BELIEVED_SECONDS", 60.0)
    queries, sql = queries_of(archived), f"select count(*) as n from {archived.schema}.readings where time < '2026-02-01'"
    await asked(queries, sql)
    archived.execute(SESSIONS.replace("count(*)", "pg_terminate_backend(pid, 5000)"))
    assert (await asked(queries, sql)).result.to_pylist() == [{"n": 744}]
    await queries.close()


async def test_a_snapshot_of_a_server_that_is_not_the_source_any_more_is_taken_anew(
    archived: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, sql = queries_of(archived), f"select count(*) as n from {archived.schema}.readings"
    await asked(queries, sql)
    holders: list[int] = []
    once = Queries._once

    async def first_elsewhere(self: Any, worker: Any, statement: Any, holder: Any, *rest: Any) -> Any:
        holders.append(process_of(holder))
        if len(holders) == 1:
            raise TransientError("the exported snapshot is gone", code="snapshot-lost")
        return await once(self, worker, statement, holder, *rest)

    monkeypatch.setattr(Queries, "_once", first_elsewhere)
    found = await asked(queries, sql)
    assert (found.result.to_pylist(), found.figures.snapshots) == ([{"n": 59 * 24}], 2)
    assert len(set(holders)) == 2
    await queries.close()


async def test_whoever_waits_for_a_question_does_not_wait_for_a_session_that_nobody_gets(
    archived: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source has no connection left: a question that holds locks is told so soon."""
    sessions = KeptSessions(Database(archived.runtime.settings.source_database_url), 1)

    async def none_left(*_: Any) -> Any:
        raise AwayError("all connections are taken", code="database-connections", dependency="source")

    monkeypatch.setattr(Database, "opened", none_left)
    begun = time.monotonic()
    with pytest.raises(AwayError):
        async with sessions.connect():
            pass
    assert time.monotonic() - begun < 5


async def test_no_session_is_taken_for_a_question_that_is_over(archived: Service) -> None:
    sessions = KeptSessions(Database(archived.runtime.settings.source_database_url), 1)
    async with LaterSession(sessions) as later:
        later.want()
        assert (await later.get()).info.dbname
    later.want()
    with pytest.raises(TransientError, match="called off"):
        await later.get()
    await sessions.close()
    await _none_is_left(archived)


async def test_no_session_outlives_the_service(archived: Service) -> None:
    queries = queries_of(archived)
    assert (await asked(queries, f"select max(value) as n from {archived.schema}.readings")).result.to_pylist() == [{"n": 1}]
    assert archived.rows(SESSIONS) > [(0,)]
    await queries.close()
    await _none_is_left(archived)


async def test_a_materialized_view_is_asked_like_a_table(service: Service) -> None:
    service.execute("create table $s.t (v int); insert into $s.t values (1), (2)")
    service.execute("create materialized view $s.seen as select sum(v) as total from $s.t")
    answer = await asked(queries_of(service), f"select total, v from {service.schema}.seen, {service.schema}.t order by v")
    assert answer.result.to_pylist() == [{"total": 3, "v": 1}, {"total": 3, "v": 2}]


async def test_the_table_that_somebody_locks_is_named(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archival_core.query.queries._TRIES", 1)
    service.execute("create table $s.a (v int); create table $s.b (v int); create table $s.c (v int)")
    sql = "select * from {s}.a, {s}.b, {s}.c".replace("{s}", service.schema)
    async with await psycopg.AsyncConnection.connect(service.url) as other:
        await other.execute(f"lock table {service.schema}.b".encode())
        with pytest.raises(GaveWayError, match=rf"{service.schema}\.b is locked"):
            await asked(queries_of(service), sql)


async def test_a_question_that_is_called_off_while_it_waits_for_a_lock_leaves_no_session(service: Service) -> None:
    service.execute("create table $s.a (v int)")

    async def count(connection: psycopg.AsyncConnection[Any]) -> int:
        query = b"select count(*) from pg_stat_activity where application_name = 'archival_query' and state <> 'idle'"
        row = await (await connection.execute(query)).fetchone()
        return 0 if row is None else int(row[0])

    async with (
        await psycopg.AsyncConnection.connect(service.url) as other,
        await psycopg.AsyncConnection.connect(service.url, autocommit=True) as looking,
    ):
        await other.execute(f"lock table {service.schema}.a".encode())
        asking = asyncio.create_task(asked(queries_of(service), f"select * from {service.schema}.a"))
        async with asyncio.timeout(20):
            while not await count(looking):
                await asyncio.sleep(0.02)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            while await count(looking):
                await asyncio.sleep(0.02)
