"""Rows of archives stay locked until the source has committed, where the ledger is in another database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from archival_core.clients.postgres.database import Connection
from archival_core.errors import ArchivalError
from archival_core.ledger.pool import LedgerPool, Row, execute


@asynccontextmanager
async def held_elsewhere(
    pool: LedgerPool, lock: str, values: Row, unlocked: ArchivalError | None, *, shares_source: bool
) -> AsyncIterator[Connection | None]:
    """A transaction of the ledger that has locked rows by the statement `lock`, where the ledger is in another database.

    The transaction commits at the end. `None` where source and ledger share a database: then the transaction of the source
    locks the rows itself. Raises `unlocked` if there is no row to lock, unless it is `None`.
    """
    if shares_source:
        yield None
        return
    async with pool.transaction(lock) as connection:
        if await execute(connection, lock, values) is None and unlocked is not None:
            raise unlocked
        yield connection
