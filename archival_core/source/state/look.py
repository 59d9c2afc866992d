"""A look at a chunk in one snapshot: what it holds, how it is stored, and the grounds on which it may be removed later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from archival_core.model.chunks.chunk import Chunk
from archival_core.model.chunks.grounds import Grounds
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.state.fence import Stored, hash_content, stored_at
from archival_core.source.state.snapshot.snapshot import ChunkFacts, ReadSnapshot
from archival_core.source.state.tables import tables_of


@dataclass(frozen=True, slots=True)
class Look:
    """What one snapshot shows of a chunk."""

    facts: ChunkFacts
    #: `None` if nobody could tell later whether the chunk has changed
    stored: Stored | None
    #: the grounds have no nonce until the snapshot's mark is in the source
    grounds: Grounds


async def look(conn: AsyncConnection[Any], snapshot: ReadSnapshot, chunk: Chunk, files: tuple[int, ...]) -> Look:
    """Look at `chunk` inside `snapshot`, which is open on `conn`; `files` are those of `Storage`."""
    identity, facts, tables = await at_once(conn, catalog.server_identity(conn), snapshot.measure(), tables_of(conn, chunk))
    stored = await stored_at(conn, chunk, facts, files)
    content_hash = None
    if stored is None:
        # seconds for each million rows
        content_hash = await hash_content(conn, chunk, await catalog.columns(conn, chunk.hypertable))
    grounds = Grounds(
        system_identifier=identity.system_identifier,
        database=identity.database,
        nonce=None,
        snapshot=facts.snapshot,
        tuples=stored.tuples if stored else None,
        content_hash=content_hash,
        tables=tables,
    )
    return Look(facts, stored, grounds)
