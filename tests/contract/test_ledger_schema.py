"""The ledger's schema and statements: from the first release on, each prepared once, none of them edited afterwards."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb

from archival_core.clients.postgres.database import Database
from archival_core.errors import PermanentError
from archival_core.ledger import migrating
from archival_core.ledger.archives.removals import RemovalRules, Removals
from archival_core.ledger.jobs.job_list import JobList
from archival_core.ledger.pool import LedgerPool
from archival_core.ledger.sql import migrations, queries
from archival_core.model.chunks.grounds import Grounds
from archival_core.model.chunks.part_range import WHOLE, PageRange, TimeRange
from archival_core.model.jobs.job_record import JobFilter
from archival_core.model.jobs.progress import Progress
from dev.docs.schema import SCHEMA_FILE, schema_document
from tests.kit.databases import own_database

# Jobs as the first release left them: of each status one.
FIRST_RELEASE = """
insert into archival.job (kind, hypertable, chunk, range_start, range_end, status, attempt, request_key, requested_by,
                          started_at, finished_at, rows, lake_path, manifest, error)
select 'archive', 'public.readings', 'public.' || status, '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z', status, 1,
       status, 'test', now(), case when status not in ('queued', 'running') then now() end, 10,
       'tables/public.readings/' || status || '_r0',
       case when status in ('archived', 'removed') then '{"supersedes": [], "relation_oid": 4711}'::jsonb end,
       case status when 'failed' then '{"code": "internal", "message": "x"}'::jsonb end
from unnest(array['queued', 'running', 'archived', 'removed', 'failed', 'cancelled', 'skipped']) status;
insert into archival.policy values ('public.readings', interval '30 days', interval '60 days');
"""


@pytest.fixture
def ledger_url(source_database_url: str) -> Iterator[str]:
    """An empty database."""
    with own_database(source_database_url) as url:
        yield url


async def opened(url: str) -> LedgerPool:
    pool = LedgerPool(Database(url))
    await pool.migrate()
    return pool


async def test_a_ledger_of_the_first_release_comes_along_with_all_that_it_knows(ledger_url: str) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        connection.execute("create schema archival")
        connection.execute("create table archival.migration (name text primary key, applied_at timestamptz default now())")
        first = migrations()[0]
        connection.execute(first.statements)
        connection.execute("insert into archival.migration (name) values (%s)", (first.name,))
        connection.execute(FIRST_RELEASE)
    pool = await opened(ledger_url)
    try:
        jobs = {str(job.status): job for job in await JobList(pool).page(JobFilter(), None, 100)}
        assert jobs.keys() == {"queued", "running", "archived", "removed", "failed", "cancelled", "skipped"}
        assert {job.rows for job in jobs.values()} == {10}
        assert jobs["failed"].error == {"code": "internal", "message": "x"}
        with psycopg.connect(ledger_url, autocommit=True) as connection:
            counted = connection.execute("select status, sum(jobs) from archival.job_tally group by status").fetchall()
            assert {(status, int(count)) for status, count in counted} == {(status, 1) for status in jobs}
            # what was removed before there were marks owes its mark
            owed = connection.execute("select chunk from archival.job where mark_owed").fetchall()
            assert owed == [("public.removed",)]
            # and the database refuses from now on what is no transition
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute("update archival.job set status = 'running' where status = 'archived'")
        removals = Removals(pool, RemovalRules(drop_by_default=False, grace=timedelta(0)), shares_source=False)
        assert [str(job.chunk) for job in await removals.due(10)] == ["public.archived"]
    finally:
        await pool.close()


async def test_parts_that_were_begun_in_sql_are_gone_on_with(ledger_url: str) -> None:
    time = "::timestamp with time zone"
    odd = f""""a >= 'x'::date" >= '2026-01-01 00:00:00+00'{time} AND "a >= 'x'::date" < '2026-01-02 00:00:00+00'{time}"""
    before = {
        "true": WHOLE,
        "ctid < '(70,0)'::pg_catalog.tid": PageRange(end_page=70),
        "ctid >= '(70,0)'::pg_catalog.tid AND ctid < '(140,0)'::pg_catalog.tid": PageRange(first_page=70, end_page=140),
        "ctid >= '(140,0)'::pg_catalog.tid": PageRange(first_page=140),
        "\"n\" < '-7'::bigint": TimeRange(from_time=None, before_time="-7"),
        odd: TimeRange(from_time="2026-01-01 00:00:00+00", before_time="2026-01-02 00:00:00+00"),
        "\"n\" >= '9'::bigint": TimeRange(from_time="9", before_time=None),
    }
    recorded = Progress(
        grounds=Grounds(
            system_identifier="1", database="d", nonce=None, snapshot="1:1:", tuples=(), content_hash=None, tables=()
        ),
        files=(1,),
        staging=("staging/x",),
        columns=(),
        parts=(),
    ).model_dump(mode="json")
    # a job that another release has begun: what it has left is as it was before migration 0027
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as connection:
        await (await opened(ledger_url)).close()
        await connection.execute("delete from archival.migration where name = '0027_part_ranges'")
        await connection.execute(
            "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by, progress)"
            " values ('archive', 'a.b', 'a.c', 'running', 'x', 'test', %s)",
            (Jsonb(recorded | {"parts": list(before)}),),
        )
        await (await opened(ledger_url)).close()
        [progress] = await (await connection.execute("select progress from archival.job")).fetchone() or ()
    read = Progress.read(progress)
    assert read is not None
    assert read.parts == tuple(before.values())


async def test_a_migration_that_was_edited_after_its_release_is_refused(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await opened(ledger_url)
    await pool.close()
    edited = [replace(known, statements="select 1") if known.name == "0002_parts" else known for known in migrations()]
    monkeypatch.setattr(migrating, "migrations", lambda: edited)
    with pytest.raises(PermanentError, match="0002_parts is not the one") as refused:
        await opened(ledger_url)
    assert refused.value.code == "migration-changed"


async def test_a_ledger_of_a_later_release_is_worked_with(ledger_url: str) -> None:
    pool = await opened(ledger_url)
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        connection.execute("insert into archival.migration (name, sha256) values ('9999_later', 'x')")
    await pool.migrate()


async def test_every_statement_can_be_prepared(source_database_url: str) -> None:
    await LedgerPool(Database(source_database_url)).migrate()
    with psycopg.connect(source_database_url, autocommit=True) as connection:
        refused = {
            name: error
            for name, query in queries().items()
            if (error := connection.pgconn.prepare(b"", _numbered(query).encode()).error_message.decode())
        }
    assert refused == {}
    assert len(queries()) > 100


def _numbered(query: str) -> str:
    """The statement as the server has it, its parameters by number."""
    numbers: dict[str, int] = {}

    def parameter(found: re.Match[str]) -> str:
        return "%" if found[0] == "%%" else f"${numbers.setdefault(found[1], len(numbers) + 1)}"

    return re.sub(r"%%|%\((\w+)\)s", parameter, query)


def test_no_two_statements_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from archival_core.ledger import sql

    class Twice:
        name = "twice.sql"

        def is_dir(self) -> bool:
            return False

        def iterdir(self) -> list[Twice]:
            return [self]

        def read_text(self) -> str:
            return "-- name: one\nselect 1\n\n-- name: one\nselect 2\n"

    monkeypatch.setattr(sql, "files", lambda _: Twice())
    with pytest.raises(ValueError, match="two statements of the ledger are called one"):
        queries.__wrapped__()


@pytest.mark.skipif("TEST_POSTGRESQL_URL" in os.environ, reason="another version of PostgreSQL prints the schema otherwise")
def test_the_schema_on_paper_is_the_one_that_the_migrations_make(source_database_url: str) -> None:
    assert SCHEMA_FILE.read_text() == schema_document(source_database_url), "run `make docs`"
