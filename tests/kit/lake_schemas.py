"""The schemas of tables in the lake, for tests that read chunks without the service around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from archival_core.clients.postgres.database import Database
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.ledger.pool import LedgerPool
from archival_core.ledger.tables.lake_columns import LakeColumns


@asynccontextmanager
async def lake_schema(url: str) -> AsyncIterator[LakeSchema]:
    """Kept in a ledger in the database at `url`."""
    pool = LedgerPool(Database(url))
    try:
        yield LakeSchema(LakeColumns(pool))
    finally:
        await pool.close()
