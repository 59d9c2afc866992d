"""The ledger's schema is brought up to date by whoever comes first, and nobody waits who need not."""

from __future__ import annotations

import asyncio

import psycopg

from archival_core.clients.postgres.database import Database
from archival_core.ledger.migrating import MIGRATION_LOCK
from archival_core.ledger.pool import LedgerPool


async def test_an_instance_that_is_frozen_in_its_migration_holds_up_nobody(source_database_url: str) -> None:
    await LedgerPool(Database(source_database_url)).migrate()
    async with await psycopg.AsyncConnection.connect(source_database_url) as frozen:
        await frozen.execute("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        async with asyncio.timeout(30):
            await LedgerPool(Database(source_database_url)).migrate()


async def test_many_instances_may_migrate_at_once(source_database_url: str) -> None:
    await asyncio.gather(*(LedgerPool(Database(source_database_url)).migrate() for _ in range(8)))
