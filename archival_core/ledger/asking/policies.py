"""The ledger's part in policies: the policies themselves, and which chunks have no job yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from archival_core.clients.postgres.prose import Prose
from archival_core.errors import PermanentError
from archival_core.ledger.pool import LedgerPool
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Chunk, Relation


@dataclass(frozen=True, slots=True)
class DuePolicy:
    """A policy at this moment."""

    policy: Policy
    #: RFC 3339: chunks that end by then are due, by the ledger's clock
    cutoff: str


class Policies:
    """Table `archival.policy`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def all(self) -> list[DuePolicy]:
        """Every policy, by its hypertable; a row whose hypertable is no name is told so and left out."""
        found: list[DuePolicy] = []
        for row in await self._pool.all("policies"):
            try:
                hypertable = Relation.parse(row["hypertable"])
            except PermanentError as error:
                await self._pool.one("note_policy", hypertable=row["hypertable"], problem=Prose(error))
                continue
            policy = Policy(
                hypertable,
                row["archive_after"],
                row["remove_after"],
                row["enabled"],
                row["problem"],
                row["dropped_by_others"],
            )
            found.append(DuePolicy(policy, row["cutoff"]))
        return found

    async def cutoff(self, archive_after: timedelta) -> str:
        """RFC 3339: what is older than `archive_after` ended by then."""
        row = await self._pool.one("policy_cutoff", archive_after=archive_after)
        assert row is not None
        return str(row["cutoff"])

    async def set(self, policy: Policy) -> bool:
        """Record `policy` in place of the one that its hypertable may have; whether it had none."""
        row = await self._pool.one(
            "set_policy",
            hypertable=str(policy.hypertable),
            archive_after=policy.archive_after,
            remove_after=policy.remove_after,
            enabled=policy.enabled,
            dropped_by_others=policy.dropped_by_others,
        )
        assert row is not None
        return bool(row["made"])

    async def change(self, before: Policy, after: Policy) -> bool:
        """Record `after` if the policy still is `before`; whether it was."""
        row = await self._pool.one(
            "change_policy",
            hypertable=str(before.hypertable),
            archive_after=after.archive_after,
            remove_after=after.remove_after,
            enabled=after.enabled,
            dropped_by_others=after.dropped_by_others,
            archive_after_before=before.archive_after,
            remove_after_before=before.remove_after,
            enabled_before=before.enabled,
            dropped_by_others_before=before.dropped_by_others,
        )
        return row is not None

    async def delete(self, hypertable: Relation) -> bool:
        """Whether there was one."""
        return await self._pool.one("delete_policy", hypertable=str(hypertable)) is not None

    async def note(self, hypertable: Relation, problem: str | None) -> None:
        """Why the policy makes no jobs; `None` when it can."""
        await self._pool.one("note_policy", hypertable=str(hypertable), problem=problem and Prose(problem))

    async def live_jobs(self) -> int:
        """Jobs that policies asked for and that have not ended."""
        row = await self._pool.one("live_policy_jobs")
        return int(row["jobs"]) if row else 0

    async def without_job(self, hypertable: Relation, chunks: Sequence[Chunk], limit: int) -> list[Chunk]:
        """The first of `chunks` that nobody has archived, is archiving or failed to archive, and that were not restored."""
        rows = await self._pool.all("chunks_without_job", limit=limit, **_asked(hypertable, chunks))
        return [chunks[row["position"]] for row in rows]

    async def first_overdue(self, hypertable: Relation, chunks: Sequence[Chunk]) -> Chunk | None:
        """The first of `chunks` that is not archived, however it came to that, but for what was restored."""
        row = await self._pool.one("first_overdue", **_asked(hypertable, chunks))
        return chunks[row["position"]] if row else None


def _asked(hypertable: Relation, chunks: Sequence[Chunk]) -> dict[str, Any]:
    return {
        "hypertable": str(hypertable),
        "chunks": [str(chunk.relation) for chunk in chunks],
        "starts": [chunk.range.start for chunk in chunks],
        "ends": [chunk.range.end for chunk in chunks],
        "oids": [chunk.oid for chunk in chunks],
    }
