"""The staging tables of restores: where an archive's rows wait, proven, for the transaction that puts them into their table.

They lie in a schema of their own and are named by job and attempt, so that what a crash left behind can be found. They are
UNLOGGED: half the writing, and nothing of it reaches replicas or backups. A server that crashed has emptied them, which the
count in the placing transaction notices.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunk import Relation, quote_identifier
from archival_core.source.state import placed
from archival_core.source.translate import source_errors

SCHEMA: Final = "archival_restore"

_NAME = re.compile(r"([0-9a-f]{32})_(\d+)")
_TABLES: Final[LiteralString] = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind = 'r' ORDER BY c.relname
"""
_SCHEMA_EXISTS: Final[LiteralString] = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s"
_EXISTS: Final[LiteralString] = "SELECT 1 WHERE to_regclass(%s) IS NOT NULL"


@dataclass(frozen=True, slots=True, order=True)
class StagingTable:
    """The staging table of one attempt: a later attempt loads one of its own."""

    job_id: UUID
    attempt: int

    @property
    def name(self) -> str:
        """Below `SCHEMA`; only letters, digits and `_`."""
        return f"{self.job_id.hex}_{self.attempt}"

    @property
    def relation(self) -> Relation:
        """The table."""
        return Relation(SCHEMA, self.name)


async def ensure_schema(conn: AsyncConnection[Any]) -> None:
    """Make the schema, and what is kept in it, if they are not there. Raises `PermanentError` (`source-permission-denied`)."""
    with source_errors():
        if await (await conn.execute(_EXISTS, (f"{SCHEMA}.placed",))).fetchone() is None:
            try:
                async with conn.transaction():
                    if await (await conn.execute(_SCHEMA_EXISTS, (SCHEMA,))).fetchone() is None:
                        await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(SCHEMA)}".encode())
                    await conn.execute(placed.MAKE)
            except (postgres.UniqueViolation, postgres.DuplicateSchema, postgres.DuplicateTable):
                pass  # another restore was faster: IF NOT EXISTS does not see what is not committed
            except postgres.InsufficientPrivilege as error:
                raise PermanentError(
                    f"the source database refuses: {error.diag.message_primary}; restored rows wait in schema {SCHEMA}: make"
                    " it for the service's user (CREATE SCHEMA … AUTHORIZATION …), or GRANT CREATE on the database to it",
                    code="source-permission-denied",
                ) from error


async def is_staged(conn: AsyncConnection[Any], table: StagingTable) -> bool:
    """Whether the table is there; inside the caller's transaction it is then kept from being dropped until its end."""
    try:
        async with conn.transaction():
            await conn.execute(f"LOCK TABLE {table.relation.sql} IN SHARE MODE".encode())
    except (postgres.UndefinedTable, postgres.InvalidSchemaName):
        return False
    return True


async def staging_tables(conn: AsyncConnection[Any]) -> list[StagingTable]:
    """Every staging table there is. Ask which jobs are alive AFTER this, or a new one's table may be taken for a dead one's."""
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            names = [name for (name,) in await (await cur.execute(_TABLES, (SCHEMA,))).fetchall()]
    return [StagingTable(UUID(match[1]), int(match[2])) for name in names if (match := _NAME.fullmatch(name))]


async def drop_staging(conn: AsyncConnection[Any], tables: Collection[StagingTable]) -> list[StagingTable]:
    """Drop those of `tables` that nobody uses now, each in its own transaction, and return them; `conn` is idle."""
    dropped = []
    with source_errors():
        for table in tables:
            try:
                async with conn.transaction():
                    await conn.execute("SET LOCAL lock_timeout = '2s'")
                    await conn.execute(f"DROP TABLE IF EXISTS {table.relation.sql}".encode())
            except postgres.LockNotAvailable:
                continue
            dropped.append(table)
    return dropped


async def drop_job_staging(conn: AsyncConnection[Any], job_id: UUID, up_to_attempt: int) -> list[StagingTable]:
    """Drop what this and earlier attempts of a job left, never what a later one has."""
    mine = [table for table in await staging_tables(conn) if table.job_id == job_id and table.attempt <= up_to_attempt]
    return await drop_staging(conn, mine)
