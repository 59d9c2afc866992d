"""An archive is written anew, and what stands in for its rows from then on is the new one: their mark changes hands.

The mark itself is changed, so at every moment there is one mark for the rows, which names one of the two archives.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection

from archival_core.errors import PermanentError, TransientError
from archival_core.source.state.marks import copies
from archival_core.source.state.marks.stand_ins import StandIn, lock_stand_in
from archival_core.source.translate import source_errors

# The time stays: it says when the rows went.
_HAND_OVER: Final[LiteralString] = """
UPDATE archival_marks.stand_in SET archive = %(archive)s, lake_path = %(lake_path)s, manifest = %(manifest)s
WHERE archive = %(former)s AND manifest = %(former_manifest)s AND kind <> 'restored' AND oid = %(oid)s AND born = %(born)s
"""
# The new archive has the rows that the reading of the former saw, so what proves that reading's history proves its own.
_SAME_READING: Final[LiteralString] = """
INSERT INTO archival_marks.reading (job, nonce, snapshot, marked_at)
SELECT %(archive)s, nonce, snapshot, marked_at FROM archival_marks.reading WHERE job = %(former)s
ON CONFLICT DO NOTHING
"""


async def hand_over(conn: AsyncConnection[Any], former: StandIn, new: StandIn) -> None:
    """Make `new` stand in for the rows that `former` stands in for, in the transaction of `conn`.

    The mark changes hands only from the very archive that was written anew, and only while that archive stands in for these
    rows: a restore that was faster has left another mark. Nothing happens if the mark has changed hands already. Raises
    `PermanentError` (`not-rewritable`) and `TransientError` (`stands-in`).
    """
    found = await lock_stand_in(conn, new.archive)
    if found is not None and found.manifest != new.manifest:
        raise TransientError(f"another archive of job {new.archive} stands in for rows already", code="stands-in")
    if found is not None:
        return
    values = {
        "archive": new.archive,
        "lake_path": new.lake_path,
        "manifest": new.manifest,
        "former": former.archive,
        "former_manifest": former.manifest,
        "oid": former.oid,
        "born": former.born,
    }
    with source_errors():
        if (await conn.execute(_HAND_OVER, values)).rowcount != 1:
            raise PermanentError(
                f"the archive of {former.chunk} does not stand in for its rows any more: they were restored, or another archive"
                " stands in for them",
                code="not-rewritable",
            )
        await conn.execute(_SAME_READING, values)
        await copies.hand_over(conn, former.archive, new.archive, new.lake_path)
