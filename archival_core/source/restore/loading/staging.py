"""The staging tables of restores: an archive's rows wait there, proven, for the transaction that puts them into their
table.

The tables lie in a schema of their own. Each is named by its job and worker, or by the time of its trial, so that what a
crash left behind can be found. The tables are UNLOGGED, which halves the writing and sends nothing to replicas or backups.
A server that crashed has emptied them, and the count in the placing transaction notices that.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, LiteralString, Self
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.state.marks import placed
from archival_core.source.statement import name_of
from archival_core.source.translate import source_errors

SCHEMA: Final[LiteralString] = "archival_restore"

_NAME = re.compile(r"([0-9a-f]{32})_(\d+)(?:_[0-9a-f]{8})?")
_TRIAL = re.compile(r"trial_(\d+)_[0-9a-f]{12}")
_TABLES: Final[LiteralString] = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind = 'r' ORDER BY c.relname
"""
_MAKE_SCHEMA: Final[LiteralString] = f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"
_LOCK: Final = sql.SQL("LOCK TABLE {} IN SHARE MODE")
_DROP: Final = sql.SQL("SET LOCAL lock_timeout = '2s'; DROP TABLE IF EXISTS {}")
_SCHEMA_EXISTS: Final[LiteralString] = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s"


@dataclass(frozen=True, slots=True, order=True)
class StagingTable:
    """A staging table by its name below `SCHEMA`: only letters, digits and `_`."""

    name: str

    @classmethod
    def of_worker(cls, job_id: UUID, attempt: int, lease_token: UUID) -> Self:
        """The table of the worker that has a restore. Nobody else writes to it, whatever was put back."""
        return cls(f"{job_id.hex}_{attempt}_{lease_token.hex[:8]}")

    @classmethod
    def beside_worker(cls, job_id: UUID, attempt: int) -> Self:
        """A further table of a job's worker, under a name drawn by chance."""
        return cls(f"{job_id.hex}_{attempt}_{secrets.token_hex(4)}")

    @classmethod
    def of_trial(cls) -> Self:
        """A table for rows that come back in trial; its name says when, by this machine's clock."""
        return cls(f"trial_{int(time.time())}_{secrets.token_hex(6)}")

    @property
    def relation(self) -> Relation:
        """The table."""
        return Relation(SCHEMA, self.name)

    @property
    def owner(self) -> tuple[UUID, int] | None:
        """The job and the attempt that the table belongs to; `None` for the table of a trial."""
        match = _NAME.fullmatch(self.name)
        return (UUID(match[1]), int(match[2])) if match else None

    @property
    def trial_began(self) -> int | None:
        """When the trial that it belongs to began, in seconds since 1970; `None` for a job's."""
        match = _TRIAL.fullmatch(self.name)
        return int(match[1]) if match else None


async def has_schema(conn: AsyncConnection[Any]) -> bool:
    """Whether the schema is there, with what is kept in it."""
    with source_errors():
        return await (await conn.execute(placed.IS_MADE)).fetchone() is not None


async def ensure_schema(conn: AsyncConnection[Any]) -> None:
    """Make the schema, and what is kept in it, if they are not there. Raises `PermanentError` (`source-permission-denied`)."""
    with source_errors():
        if not await has_schema(conn):
            try:
                async with conn.transaction():
                    if await (await conn.execute(_SCHEMA_EXISTS, (SCHEMA,))).fetchone() is None:
                        await conn.execute(_MAKE_SCHEMA)
                    await conn.execute(placed.MAKE)
            except (postgres.UniqueViolation, postgres.DuplicateSchema, postgres.DuplicateTable):
                pass  # another restore was faster: IF NOT EXISTS does not see what is not committed
            except postgres.InsufficientPrivilege as error:
                raise PermanentError(
                    f"the source database refuses: {error.diag.message_primary}; restored rows wait in schema {SCHEMA}: make"
                    " it for the service's user (CREATE SCHEMA … AUTHORIZATION …), or GRANT CREATE on the database to it",
                    code="source-permission-denied",
                ) from error


async def keep_staged(conn: AsyncConnection[Any], table: StagingTable) -> None:
    """Keep the table from being dropped until the caller's transaction ends, which fails where the table is gone."""
    await conn.execute(_LOCK.format(name_of(table.relation)))


async def staging_tables(conn: AsyncConnection[Any]) -> list[StagingTable]:
    """Every staging table there is. Look up the live jobs AFTER this, or the table of a new job is taken for that of a dead
    one.
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            names = [name for (name,) in await (await cur.execute(_TABLES, (SCHEMA,))).fetchall()]
    tables = [StagingTable(name) for name in names]
    return [table for table in tables if table.owner or table.trial_began]


async def drop_staging(conn: AsyncConnection[Any], tables: Collection[StagingTable]) -> list[StagingTable]:
    """Drop those of `tables` that nobody uses now, each in its own transaction, and return them; `conn` is idle."""
    dropped = []
    with source_errors():
        for table in tables:
            try:
                # both are one transaction, in one way to the server
                await conn.execute(_DROP.format(name_of(table.relation)), prepare=False)
            except postgres.LockNotAvailable:
                continue
            dropped.append(table)
    return dropped


async def drop_job_staging(conn: AsyncConnection[Any], job_id: UUID, up_to_attempt: int) -> list[StagingTable]:
    """Drop what this and earlier attempts of a job left, never what a later one has."""
    return await drop_staging(conn, await job_staging(conn, job_id, up_to_attempt))


async def job_staging(conn: AsyncConnection[Any], job_id: UUID, up_to_attempt: int) -> list[StagingTable]:
    """What this and earlier attempts of a job left, and nothing that a later one has."""
    owned = [(table, table.owner) for table in await staging_tables(conn)]
    return [table for table, owner in owned if owner and owner[0] == job_id and owner[1] <= up_to_attempt]
