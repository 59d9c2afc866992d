"""A failure waits for somebody until a later job of its chunk has come to a good end, and is passed by from then on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.ledger.pool import LedgerPool
from tests.kit.databases import own_database

Connection = psycopg.Connection[Any]

ADDED: Final = """
insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by, requested_at, restores)
values (%(kind)s, 'public.readings', %(chunk)s, %(status)s, gen_random_uuid()::text, 'test', now() + %(at)s * interval '1 min',
        %(restores)s)
returning job_id
"""


@pytest.fixture
async def ledger(source_database_url: str) -> AsyncIterator[str]:
    with own_database(source_database_url) as own:
        pool = LedgerPool(Database(own))
        await pool.migrate()
        await pool.close()
        yield own


@pytest.fixture
def connection(ledger: str) -> Any:
    with psycopg.connect(ledger, autocommit=True) as opened:
        # whoever waits for a row that another holds fails
        opened.execute("set lock_timeout = '1 s'")
        yield opened


def add(
    connection: Connection, status: str, at: int, kind: str = "archive", chunk: str = "public.jan", restores: Any = None
) -> Any:
    asked = {"status": status, "at": at, "kind": kind, "chunk": chunk, "restores": restores}
    row = connection.execute(ADDED, asked).fetchone()
    assert row is not None
    return row[0]


def become(connection: Connection, job_id: Any, status: str) -> None:
    connection.execute("update archival.job set status = %s, finished_at = now() where job_id = %s", [status, job_id])


def waiting(connection: Connection) -> set[Any]:
    return {row[0] for row in connection.execute("select job_id from archival.open_failure")}


def passed_by(connection: Connection) -> set[Any]:
    return {row[0] for row in connection.execute("select job_id from archival.job where made_up")}


@pytest.mark.parametrize("good", ["archived", "removed", "restored"])
async def test_a_later_job_makes_up_for_failures_of_its_chunk_alone(connection: Connection, good: str) -> None:
    kind, other = ("restore", "archive") if good == "restored" else ("archive", "restore")
    failed = add(connection, "failed", 1, kind)
    others = {
        add(connection, "failed", 1, other),
        add(connection, "failed", 1, kind, "public.feb"),
        add(connection, "failed", 9, kind),
    }
    later = add(connection, "running", 2, kind)
    assert waiting(connection) == others
    become(connection, later, "failed")
    assert waiting(connection) == {failed, later, *others}
    assert not passed_by(connection)
    last = add(connection, "running", 3, kind)
    become(connection, last, good)
    assert waiting(connection) == others
    assert passed_by(connection) == {failed, later}


@pytest.mark.parametrize("good", ["archived", "removed"])
async def test_an_archive_that_another_takes_the_place_of_has_made_up(connection: Connection, good: str) -> None:
    failed, later = add(connection, "failed", 1), add(connection, "running", 2)
    become(connection, later, good)
    become(connection, later, "superseded")
    assert (waiting(connection), passed_by(connection)) == (set(), {failed})


async def test_a_restore_makes_up_for_none_of_another_archive(connection: Connection) -> None:
    before, after = add(connection, "superseded", 1), add(connection, "removed", 2)
    failed = add(connection, "failed", 3, "restore", restores=before)
    other = add(connection, "running", 4, "restore", restores=after)
    become(connection, other, "restored")
    assert (waiting(connection), passed_by(connection)) == ({failed}, set())
    same = add(connection, "running", 5, "restore", restores=before)
    assert not waiting(connection)
    become(connection, same, "restored")
    assert (waiting(connection), passed_by(connection)) == (set(), {failed})


async def test_a_job_that_is_recorded_as_done_makes_up_too(connection: Connection) -> None:
    failed = add(connection, "failed", 1)
    add(connection, "archived", 2)
    assert (waiting(connection), passed_by(connection)) == (set(), {failed})


async def test_a_job_that_goes_on_may_fail_anew(connection: Connection) -> None:
    failed = add(connection, "failed", 1)
    done = add(connection, "archived", 2)
    become(connection, failed, "queued")
    assert not passed_by(connection)
    become(connection, done, "superseded")
    become(connection, failed, "failed")
    assert waiting(connection) == {failed}


async def test_no_end_of_a_job_waits_for_who_tries_a_failure_again(connection: Connection, ledger: str) -> None:
    failed, later = add(connection, "failed", 1), add(connection, "running", 2)
    with psycopg.connect(ledger) as person:
        person.execute("select from archival.job where job_id = %s for update", [failed])
        become(connection, later, "archived")
    assert (waiting(connection), passed_by(connection)) == (set(), set())
