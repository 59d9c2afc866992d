"""The ledger's schema is brought up to date by whichever instance comes first."""

from __future__ import annotations

from typing import Final

from archival_core.clients.postgres.database import Connection
from archival_core.errors import PermanentError
from archival_core.ledger.sql import Migration, migrations

#: Advisory lock of the migrations, so that instances that start together do not race.
MIGRATION_LOCK: Final = 7_203_114_850_221


async def migrate(connection: Connection) -> None:
    """Apply what schema `archival` lacks, on an idle connection.

    Safe to run from many instances at once; where nothing is missing no instance waits. Raises `PermanentError`
    (`migration-changed`) if the text of a migration has changed since this ledger got it.
    """
    if not await _unapplied(connection):
        return
    async with connection.transaction():
        # an instance that is frozen just here must not hold up all others for ever
        await connection.execute("set local lock_timeout = '10s'")
        await connection.execute("select pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        await _apply(connection)


async def _unapplied(connection: Connection) -> list[Migration]:
    cursor = await connection.execute("select to_regclass('archival.migration') is null as missing")
    row = await cursor.fetchone()
    if row is None or row["missing"]:
        return migrations()
    # all columns, since a ledger of an early release has no digests yet
    cursor = await connection.execute("select * from archival.migration")
    applied = {row["name"]: row.get("sha256") for row in await cursor.fetchall()}
    for migration in migrations():
        if applied.get(migration.name) not in (None, migration.sha256):
            raise PermanentError(
                f"migration {migration.name} is not the one that this ledger was made with: a file in ledger/sql/migrations was"
                " edited after its release, so ledger and code may not fit. Deploy the files of the release, and put the change"
                " into a new one",
                code="migration-changed",
            )
    return [migration for migration in migrations() if migration.name not in applied]


async def _apply(connection: Connection) -> None:
    # looked at first: a role that owns the schema need not be one that may create schemas
    cursor = await connection.execute("select to_regnamespace('archival') is null as missing")
    row = await cursor.fetchone()
    if row is None or row["missing"]:
        await connection.execute("create schema archival")
    await connection.execute(
        "create table if not exists archival.migration (name text primary key, applied_at timestamptz default now())"
    )
    # what was applied before there were digests is taken as it is
    await connection.execute("alter table archival.migration add column if not exists sha256 text")
    for migration in await _unapplied(connection):
        await connection.execute(migration.statements)
        await connection.execute(
            "insert into archival.migration (name, sha256) values (%s, %s)", (migration.name, migration.sha256)
        )
