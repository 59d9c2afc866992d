"""What the database itself counts of a chunk, and what tells later whether that has changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from archival_core.clients.postgres import Connection
from archival_core.errors import TransientError
from archival_core.model.chunk import Chunk, Column
from archival_core.model.manifest import ManifestPart
from archival_core.model.moment import moment
from archival_core.source.fence import Mark, hash_content, take_mark
from archival_core.source.snapshot import ChunkFacts, ReadSnapshot


@dataclass(frozen=True, slots=True)
class Tally:
    """The database's own count, in the snapshot that is read."""

    facts: ChunkFacts
    #: `None` if nobody could tell later whether the chunk has changed: it has to be read in one go
    mark: Mark | None
    #: only where there is no mark: it takes seconds for each million rows
    content_hash: str | None

    @classmethod
    async def take(
        cls, connection: Connection, snapshot: ReadSnapshot, chunk: Chunk, columns: Sequence[Column], files: tuple[int, ...]
    ) -> Tally:
        """Count `chunk`, which others may read meanwhile; `files` are those of `Storage`."""
        facts = await snapshot.measure()
        mark = await take_mark(connection, chunk, facts, files)
        return cls(facts, mark, None if mark else await hash_content(connection, chunk, columns))

    def check(self, done: Collection[ManifestPart]) -> None:
        """All parts together must be what the database counted; raises `TransientError` (`count-differs`)."""
        filled = [part for part in done if part.rows]
        copied = (
            sum(part.rows for part in filled),
            min((part.min_time for part in filled if part.min_time is not None), key=_order, default=None),
            max((part.max_time for part in filled if part.max_time is not None), key=_order, default=None),
        )
        counted = (self.facts.rows, moment(self.facts.min_time), moment(self.facts.max_time))
        if copied != counted:
            raise TransientError(
                f"the copy has {copied[0]} rows from {copied[1]} to {copied[2]},"
                f" the database counted {counted[0]} from {counted[1]} to {counted[2]}",
                code="count-differs",
            )


def _order(value: int | str) -> tuple[float, str]:
    """Numbers in their order, with the infinities around them; text among itself."""
    if isinstance(value, int):
        return value, ""
    return {"-infinity": float("-inf"), "infinity": float("inf")}.get(value, 0.0), value
