"""Policies as people handle them: list, set, change and delete them, and see what a policy would do now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from archival_core.clients.postgres.database import Database
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.asking.due_chunks import DueChunks
from archival_core.ledger.asking.policies import Policies
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source import catalog

#: How often a change is tried again when somebody else has changed the policy meanwhile.
_TRIES: Final = 5


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

    async def get(self, hypertable: Relation) -> Policy:
        """The policy of a hypertable. Raises `PermanentError` (`unknown-policy`)."""
        for policy in await self.all():
            if policy.hypertable == hypertable:
                return policy
        raise _unknown(hypertable)

    async def set(self, policy: Policy) -> bool:
        """Record `policy` in place of the one that its hypertable may have; returns whether it had none.

        Raises `PermanentError`: `invalid-policy`, and as `DueChunks.ended_by` if the hypertable can have no policy.
        """
        await self._check(policy)
        return await self._policies.set(policy)

    async def change(self, hypertable: Relation, changed: Callable[[Policy], Policy]) -> Policy:
        """Apply `changed` to the hypertable's policy, and return the policy. Two changes at the same time both count.

        A policy that is off afterwards is not compared with the source, which may be away or may not have the table any
        more. Raises `PermanentError`: `unknown-policy`, and as `set`.
        """
        for _ in range(_TRIES):
            before = await self.get(hypertable)
            after = replace(changed(before), problem=None)
            if after.enabled:
                await self._check(after)
            else:
                after.check()
            if await self._policies.change(before, after):
                return after
        raise TransientError(f"others change the policy of {hypertable} all the time", code="policy-busy")

    async def _check(self, policy: Policy) -> None:
        policy.check()
        await self._due.ended_by(policy.hypertable, await self._policies.cutoff(policy.archive_after))

    async def delete(self, hypertable: Relation) -> None:
        """Forget the policy. Jobs that it has made go on. Raises `PermanentError` (`unknown-policy`)."""
        if not await self._policies.delete(hypertable):
            raise _unknown(hypertable)

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


def _unknown(hypertable: Relation) -> PermanentError:
    return PermanentError(f"{hypertable} has no policy", code="unknown-policy")
