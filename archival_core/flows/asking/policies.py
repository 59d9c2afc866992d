"""Policies as people handle them: list, set, delete, and what one would do now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from archival_core.clients.postgres import Database
from archival_core.errors import PermanentError
from archival_core.flows.asking.due_chunks import DueChunks
from archival_core.ledger.policies import Policies
from archival_core.model.chunk import Chunk, Relation
from archival_core.model.policy import Policy
from archival_core.source import catalog


@dataclass(frozen=True, slots=True)
class DueChunk:
    """A chunk that a policy would have archived now."""

    chunk: Chunk
    #: on disk, indexes included; `None` if the chunk is gone meanwhile
    bytes: int | None


class ArchivalPolicies:
    """Policies of the hypertables of one source database."""

    def __init__(self, policies: Policies, due: DueChunks, source: Database) -> None:
        self._policies, self._due, self._source = policies, due, source

    async def all(self) -> list[Policy]:
        """Every policy, by its hypertable."""
        return [due.policy for due in await self._policies.all()]

    async def set(self, policy: Policy) -> None:
        """Record `policy`, in place of the one that its hypertable may have.

        Raises `PermanentError`: `invalid-policy`, and as `DueChunks.ended_by` if the hypertable can have none.
        """
        policy.check()
        await self._due.ended_by(policy.hypertable, await self._policies.cutoff(policy.archive_after))
        await self._policies.set(policy)

    async def delete(self, hypertable: Relation) -> None:
        """Forget its policy; jobs that it has made go on. Raises `PermanentError` (`unknown-policy`)."""
        if not await self._policies.delete(hypertable):
            raise PermanentError(f"{hypertable} has no policy", code="unknown-policy")

    async def preview(self, hypertable: Relation, archive_after: timedelta, limit: int) -> list[DueChunk]:
        """The first chunks that a policy of `archive_after` would have archived now, set or not; raises as `set`."""
        Policy(hypertable, archive_after).check()
        chunks = await self._due.of(hypertable, await self._policies.cutoff(archive_after), limit)
        async with self._source.connect() as connection:
            found: list[DueChunk] = []
            for chunk in chunks:
                try:
                    size = await catalog.source_bytes(connection, chunk)
                except PermanentError:
                    found.append(DueChunk(chunk, None))
                else:
                    found.append(DueChunk(chunk, size))
        return found
