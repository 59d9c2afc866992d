"""Whether this is the server, the history, the table and the rows that an archive was made of. Everybody who has to know
asks here.

A copy of a server, and a server that was put back to an earlier time, have the same names, numbers and oids as the
original, and other rows behind them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from archival_core.model.chunks.chunk import Chunk, DatabaseIdentity, Relation
from archival_core.model.chunks.grounds import Grounds
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.session import piped
from archival_core.source.state import fence
from archival_core.source.state.marks import placed, readings, stand_ins
from archival_core.source.state.tables import identity_of, tables_of


def is_same_server(here: DatabaseIdentity, manifest: Manifest) -> bool:
    """Whether an archive is of this very database, as far as the server says."""
    then = manifest.source
    return bool(here.system_identifier) and (then.system_identifier, then.database) == (here.system_identifier, here.database)


async def stands_on(conn: AsyncConnection[Any], job_id: UUID, grounds: Grounds) -> bool:
    """Whether the history of the server on `conn` has all that the reading of `grounds` saw.

    Guard SERVER: a mark counts only where it was written. A dump brings marks along to another server or database, where
    rows and tables are numbered anew, and by chance may get the same numbers.
    """
    here, has_reading = await at_once(conn, catalog.database_identity(conn), readings.has_reading(conn, job_id, grounds.nonce))
    is_here = (grounds.system_identifier, grounds.database) == (here.system_identifier, here.database)
    return bool(here.system_identifier) and is_here and has_reading


async def any_table_went_by_another(conn: AsyncConnection[Any], job_id: UUID, manifest: Manifest) -> bool:
    """Whether a table that has, or had, the archive's rows was dropped on the grounds of another archive."""
    held = [(manifest.relation_oid, manifest.relation_born), *await placed.tables_ever(conn, job_id)]
    return any([await stand_ins.went_by_another(conn, job_id, oid, born) for oid, born in held])


async def is_defined_as_then(conn: AsyncConnection[Any], hypertable: Relation, manifest: Manifest) -> bool:
    """Whether the hypertable is the one that was archived, with the columns and the definition that it had then."""
    async with piped(conn):
        is_same, columns, ddl = await at_once(
            conn,
            _is_same_hypertable(conn, hypertable, manifest),
            catalog.columns(conn, hypertable),
            catalog.describe_ddl(conn, hypertable),
        )
    then = [(column.name, column.number) for column in manifest.columns]
    return is_same and [(column.name, column.number) for column in columns] == then and ddl == manifest.ddl


async def _is_same_hypertable(conn: AsyncConnection[Any], hypertable: Relation, manifest: Manifest) -> bool:
    """False if another table has taken over the name of the one that was archived.

    No answer to a question to the other table has rows of the archive. In another database tables are numbered anew, and
    nobody can tell.
    """
    then = manifest.hypertable_table
    here, now = await at_once(conn, catalog.database_identity(conn), identity_of(conn, hypertable))
    return then is None or not is_same_server(here, manifest) or now == then


async def is_same_table(conn: AsyncConnection[Any], chunk: Chunk, grounds: Grounds) -> bool:
    """Whether the chunk is the table that `grounds` tell of, with all tables below it."""
    return bool(grounds.tables) and await tables_of(conn, chunk) == grounds.tables


async def holds_same_rows(conn: AsyncConnection[Any], chunk: Chunk, grounds: Grounds) -> bool:
    """Whether the chunk holds the rows of `grounds`, for the transaction of `conn`. `READ_SETTINGS` must be pinned."""
    if grounds.tuples is not None:
        return await fence.holds_same_rows(conn, chunk, grounds.snapshot, grounds.tuples)
    columns = await catalog.columns(conn, chunk.hypertable)
    return await fence.hash_content(conn, chunk, columns) == grounds.content_hash
