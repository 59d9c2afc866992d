"""What happens next to chunks, when, and why not sooner. The facts are looked up here, and `model.insight.next_step`
decides.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from archival_core.errors import PermanentError
from archival_core.ledger.archives.chunk_records import ChunkRecords
from archival_core.ledger.archives.removals import RemovalRules
from archival_core.ledger.asking.intake import Intake
from archival_core.ledger.asking.policies import Policies
from archival_core.model.chunks.chunk import Relation
from archival_core.model.insight.chunk_state import ChunkPlace, ChunkState, position
from archival_core.model.insight.next_step import Because, NextStep, Rules, Step


@dataclass(frozen=True, slots=True)
class ExpectedChunk:
    """Where the rows of a chunk are, and what happens next to them."""

    state: ChunkState
    next: NextStep


@dataclass(frozen=True, slots=True)
class ChunkFilter:
    """Which chunks of a hypertable are meant; what is empty or `None` means any."""

    places: frozenset[ChunkPlace] = frozenset()
    because: frozenset[Because] = frozenset()
    steps: frozenset[Step] = frozenset()
    #: of the error that holds up the next step
    codes: frozenset[str] = frozenset()
    in_database: bool | None = None

    def takes(self, found: ExpectedChunk) -> bool:
        """Whether a chunk is meant."""
        state, following = found.state, found.next
        return (
            (not self.places or state.state in self.places)
            and (not self.because or following.because in self.because)
            and (not self.steps or following.step in self.steps)
            and (not self.codes or following.code in self.codes)
            and (self.in_database is None or state.in_database is self.in_database)
        )


@dataclass(frozen=True, slots=True)
class Reason:
    """Chunks of one hypertable that wait for the same step and reason: where an error is the reason, those with its code."""

    because: Because
    step: Step
    chunks: int
    #: in the database now, where that was told
    bytes: int
    #: the next step that comes first for one of these chunks
    first_at: datetime | None
    #: the chunk for which the next step comes first
    example: ExpectedChunk


class Outlook:
    """Looks up what is true of a hypertable's chunks at this moment."""

    def __init__(self, policies: Policies, intake: Intake, records: ChunkRecords, removal: RemovalRules) -> None:
        self._policies, self._intake, self._records, self.removal = policies, intake, records, removal

    async def rules(self, hypertable: Relation) -> Rules:
        """Of a hypertable, now; raises as the ledger does."""
        found = [due.policy for due in await self._policies.all() if due.policy.hypertable == hypertable]
        intake = await self._intake.state()
        return Rules(
            now=await self._records.now(),
            grace=self.removal.grace,
            drop_by_default=self.removal.drop_by_default,
            policy=found[0] if found else None,
            paused=(intake.reason or "") if intake.paused else None,
        )


def named(chunks: Sequence[ExpectedChunk], chunk: Relation) -> list[ExpectedChunk]:
    """The chunks of that name. A chunk of another schema is taken where `public` is named and has no such chunk.

    Raises `PermanentError` (`unknown-chunk`) that names chunks with similar names.
    """
    exact = [found for found in chunks if found.state.chunk == str(chunk)]
    if not exact and chunk.schema == "public":
        exact = [found for found in chunks if Relation.parse(found.state.chunk).name == chunk.name]
    if not exact:
        near = difflib.get_close_matches(
            chunk.name, {Relation.parse(found.state.chunk).name for found in chunks}, n=3, cutoff=0.8
        )
        guess = f"; there are {', '.join(near)}" if near else ""
        raise PermanentError(f"neither the source nor the ledger has a chunk {chunk}{guess}", code="unknown-chunk")
    return exact


def covering(chunks: Sequence[ExpectedChunk], at: str | int) -> list[ExpectedChunk]:
    """The chunks whose range has the value `at`. Raises `PermanentError` (`unknown-chunk`, `wrong-bound`)."""
    if any(
        isinstance(at, int) is not _is_integer(found.state)
        for found in chunks
        if found.state.range_start or found.state.range_end
    ):
        raise PermanentError(f"{at} is of another kind than the time column", code="wrong-bound")
    place = position(str(at))
    covers = [found for found in chunks if position(found.state.range_start) <= place < _last(found.state.range_end)]
    if not covers:
        raise PermanentError(f"no chunk and no archive covers {at}", code="unknown-chunk")
    return covers


def reasons(chunks: Sequence[ExpectedChunk]) -> list[Reason]:
    """What the chunks wait for, the most frequent reason first."""
    groups: defaultdict[tuple[Because, Step, str | None], list[ExpectedChunk]] = defaultdict(list)
    for found in chunks:
        groups[found.next.because, found.next.step, found.next.code].append(found)
    return [
        _reason(because, step, group) for (because, step, _), group in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def _reason(because: Because, step: Step, chunks: Sequence[ExpectedChunk]) -> Reason:
    dated = [found for found in chunks if found.next.at is not None]
    first = min(dated, key=lambda found: found.next.at) if dated else chunks[0]  # type: ignore[arg-type, return-value]
    total = sum(found.state.database_bytes or 0 for found in chunks)
    return Reason(because, step, len(chunks), total, first.next.at, first)


def _is_integer(state: ChunkState) -> bool:
    bound = state.range_start or state.range_end or ""
    return bound.lstrip("-").isdigit()


def _last(bound: str | None) -> Decimal:
    return Decimal("Infinity") if bound is None else position(bound)
