"""Is the database that we look at the one that an archive came from?

A fork, a restored copy or an upgraded server has the same names and other rows: nothing is removed there on the grounds of an
archive of the original.
"""

from __future__ import annotations

from archival_core.clients.postgres import Connection
from archival_core.errors import PermanentError
from archival_core.model.chunk import Chunk
from archival_core.model.manifest import Manifest
from archival_core.source import catalog


async def check_same_server(connection: Connection, manifest: Manifest) -> None:
    """Raise `PermanentError` (`other-server`) if `connection` leads to another database than the archive's."""
    found = await catalog.server_identity(connection)
    then = (manifest.source.system_identifier, manifest.source.database)
    now = (found.system_identifier, found.database)
    if not now[0]:
        raise PermanentError(
            "the server does not tell who it is, so nothing is removed: GRANT EXECUTE ON FUNCTION pg_control_system() TO the"
            " service's role",
            code="other-server",
        )
    if then != now:
        raise PermanentError(
            f"{manifest.chunk} was archived from database {then[1]!r} of server {then[0] or 'unknown'}, and this is {now[1]!r}"
            f" of {now[0]}: a copy, or an upgraded server; archive it again, with force, to remove it here",
            code="other-server",
        )


async def is_same_table(connection: Connection, chunk: Chunk, manifest: Manifest, *, ledger_is_inside: bool) -> bool:
    """Whether the chunk is the table that was archived, in a hypertable that is defined as it was, on a server that went on
    from there: one that was restored to an earlier time has the same names and numbers, and other rows under them.

    That begins a timeline of its own, but not where its disks were put back. A ledger inside went back with them; with one
    elsewhere, a server that was started since then could be such a one.
    """
    identity = await catalog.server_identity(connection)
    if not ledger_is_inside and (identity.started_at is None or identity.started_at > manifest.archived_at):
        return False
    columns = await catalog.columns(connection, chunk.hypertable)
    return (
        chunk.oid == manifest.relation_oid
        and identity.timeline == manifest.source.timeline
        and [(column.name, column.number) for column in columns] == [(c.name, c.number) for c in manifest.columns]
        and await catalog.describe_ddl(connection, chunk.hypertable) == manifest.ddl
    )
