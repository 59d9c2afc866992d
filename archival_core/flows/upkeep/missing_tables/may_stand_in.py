"""Whether an archive may stand in for rows that somebody else has dropped from the database."""

from __future__ import annotations

from archival_core.clients.postgres.database import Connection
from archival_core.errors import PermanentError
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest
from archival_core.source.state import history, tables
from archival_core.source.state.marks.copies import check_settled
from archival_core.source.state.origin import origin_of


async def check_own_history(connection: Connection, job: Job, manifest: Manifest) -> None:
    """Raise `PermanentError` where the archive is none of this server's own history (`not-compared`, `history-changed`), or
    another archive stands in for the rows already (`copy-unsettled`).
    """
    check_compared(job)
    grounds = manifest.grounds_since(job.proof)
    if grounds.nonce is not None and not await history.stands_on(connection, job.job_id, grounds):
        raise PermanentError("it was archived in a history that was put back", code="history-changed")
    await check_no_copy(connection, job, manifest)


def check_compared(job: Job) -> None:
    """Raise `PermanentError` (`not-compared`) if nothing but the lake says that the archive is one."""
    # Guard ADOPTED: who can write to the lake could have made it up, under the nonce of a mark that the source has.
    if job.adopted and job.proof is None:
        raise PermanentError(
            "it was found in the lake, and was never compared with the chunk; if it is yours, restore it into a table of"
            " its own",
            code="not-compared",
        )


async def check_no_copy(connection: Connection, job: Job, manifest: Manifest) -> None:
    """Raise `PermanentError` (`copy-unsettled`) if the chunk was a copy of an archive that stands in for the rows."""
    own = TableIdentity(oid=manifest.relation_oid, born=manifest.relation_born or "")
    origin = await origin_of(connection, manifest)
    await check_settled(connection, origin.table, {own, *manifest.grounds_since(job.proof).tables})


async def check_name(connection: Connection, job: Job, manifest: Manifest) -> None:
    """Raise `PermanentError` (`other-server`) where the rows of an archive that was read elsewhere, and compared here, would be
    looked for in another table than its hypertable.

    What the manifest says of the hypertable's identity tells nothing here. What the comparison saw tells it.
    """
    grounds = manifest.grounds_since(job.proof)
    if (grounds.system_identifier, grounds.database) == (manifest.source.system_identifier, manifest.source.database):
        return
    origin = await origin_of(connection, manifest)
    # Guard GONE: rows of a table that was renamed are not gone.
    if grounds.hypertable is None or await tables.name_of(connection, grounds.hypertable) not in (None, origin.table):
        raise PermanentError(
            f"it was read on a former server, and {origin.table} may not be its hypertable any more", code="other-server"
        )
