"""Table `archival.superseding` says what the manifests of published archives say, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.ledger.pool import LedgerPool
from archival_core.ledger.sql import migrations
from tests.kit.databases import own_database

ADD = """
insert into archival.job (kind, hypertable, chunk, status, settled, revision, relation_oid, request_key, requested_by,
                          lake_path, manifest)
values (%s, 'public.h', 'public.c', %s, true, %s, 4711, gen_random_uuid(), 'test', 'tables/public.h/c_r' || %s,
        jsonb_build_object('supersedes', %s::text[]))
returning job_id
"""
ROWS = "select folder, job_id from archival.superseding order by folder"
OVERTAKEN = """
select archival.is_overtaken(job_id, hypertable, chunk, relation_oid, relation_born, revision, lake_path, '{}')
from archival.job where lake_path = 'tables/public.h/c_r' || %s and kind = 'archive'
"""


@pytest.fixture
def ledger(source_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty database."""
    with own_database(source_database_url) as own, psycopg.connect(own, autocommit=True) as opened:
        yield opened


def url(connection: psycopg.Connection[Any]) -> str:
    info = connection.info
    return f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"


def add(ledger: psycopg.Connection[Any], number: int, *supersedes: int, kind: str = "archive", status: str = "archived") -> Any:
    named = [folder(other) for other in supersedes]
    found = ledger.execute(ADD, (kind, status, number, str(number), named)).fetchone()
    assert found is not None
    return found[0]


def folder(number: int) -> str:
    return f"tables/public.h/c_r{number}"


def overtaken(ledger: psycopg.Connection[Any], number: int) -> bool:
    found = ledger.execute(OVERTAKEN, (str(number),)).fetchone()
    assert found is not None
    return bool(found[0])


async def migrated(ledger: psycopg.Connection[Any]) -> None:
    await LedgerPool(Database(url(ledger))).migrate()


async def test_the_rows_are_those_of_the_manifests(ledger: psycopg.Connection[Any]) -> None:
    await migrated(ledger)
    add(ledger, 1)
    later = add(ledger, 3, 1, 2)
    # a restore has its archive's manifest
    add(ledger, 4, 1, kind="restore", status="restored")
    assert ledger.execute(ROWS).fetchall() == [(folder(1), later), (folder(2), later)]
    # a manifest of another version takes the place of the first
    ledger.execute(
        "update archival.job set manifest = jsonb_set(manifest, '{supersedes}', %s) where job_id = %s", ('["x"]', later)
    )
    assert ledger.execute(ROWS).fetchall() == [("x", later)]
    ledger.execute("delete from archival.job where job_id = %s", (later,))
    assert ledger.execute(ROWS).fetchall() == []


async def test_an_archive_is_overtaken_while_another_in_its_place_stands(ledger: psycopg.Connection[Any]) -> None:
    await migrated(ledger)
    add(ledger, 2)
    # an earlier revision of the table cannot overtake by its number
    other = add(ledger, 1, 2)
    ledger.execute("update archival.job set relation_oid = 4712 where job_id = %s", (other,))
    assert overtaken(ledger, 2)
    for change, back in (
        ("history_lost = true", "history_lost = false"),
        ("status = 'superseded'", "status = 'archived'"),
        ("adopted = true, hypertable = 'public.x'", "adopted = false"),
    ):
        ledger.execute(f"update archival.job set {change} where job_id = %s".encode(), (other,))
        assert not overtaken(ledger, 2), change
        ledger.execute(f"update archival.job set {back} where job_id = %s".encode(), (other,))
        assert overtaken(ledger, 2), back


async def test_manifests_from_before_get_their_rows(ledger: psycopg.Connection[Any]) -> None:
    earlier = [known for known in migrations() if known.name < "0017"]
    ledger.execute("create schema archival")
    ledger.execute("create table archival.migration (name text primary key, applied_at timestamptz default now())")
    for known in earlier:
        ledger.execute(known.statements)
        ledger.execute("insert into archival.migration (name) values (%s)", (known.name,))
    add(ledger, 1)
    later = add(ledger, 2, 1)
    ledger.execute(ADD, ("restore", "restored", 1, "1", [folder(7)]))
    await migrated(ledger)
    assert ledger.execute(ROWS).fetchall() == [(folder(1), later)]
