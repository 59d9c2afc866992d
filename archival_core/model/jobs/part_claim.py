"""The right to read one part of a chunk, for a while."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PartClaim:
    """One part that an instance has claimed."""

    job_id: UUID
    #: of the part
    number: int
    #: of the claim: whoever claims the part next gets another one
    token: UUID
    #: of the job's worker, which shares the parts: under another lease the claim is worth nothing
    lease_token: UUID
