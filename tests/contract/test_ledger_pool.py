"""The ledger's schema is brought up to date by whoever comes first, and nobody waits who need not."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.ledger.migrating import MIGRATION_LOCK
from archival_core.ledger.pool import LedgerPool
from archival_core.ledger.sql import queries

#: whether somebody waits for the end of this transaction
WAITED_FOR = "select 1 from pg_locks where not granted and transactionid = pg_current_xact_id()::xid"


async def test_an_instance_that_is_frozen_in_its_migration_holds_up_nobody(source_database_url: str) -> None:
    await LedgerPool(Database(source_database_url)).migrate()
    async with await psycopg.AsyncConnection.connect(source_database_url) as frozen:
        await frozen.execute("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        async with asyncio.timeout(30):
            await LedgerPool(Database(source_database_url)).migrate()


async def test_many_instances_may_migrate_at_once(source_database_url: str) -> None:
    await asyncio.gather(*(LedgerPool(Database(source_database_url)).migrate() for _ in range(8)))


async def test_a_statement_that_another_transaction_is_in_the_way_of_is_done_again(
    source_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = "where not exists (select from public.said_once where word = 'one')"
    monkeypatch.setitem(queries(), "say_once", f"insert into public.said_once select 'one' {missing} returning word")
    pool = LedgerPool(Database(source_database_url))
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as other:
        await other.execute("create table public.said_once (word text primary key)")
        try:
            async with other.transaction():
                await other.execute("insert into public.said_once values ('one')")
                saying = asyncio.create_task(pool.all_again("say_once"))
                async with asyncio.timeout(30):
                    while not (await (await other.execute(WAITED_FOR)).fetchone()):
                        await asyncio.sleep(0.01)
            assert await saying == [], "the second try has seen the row of the other"
        finally:
            await other.execute("drop table public.said_once")
            await pool.close()
