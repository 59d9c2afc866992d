"""Requests become jobs of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from archival_core import telemetry
from archival_core.clients.postgres.prose import Prose
from archival_core.ledger.pool import LedgerPool
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Status


@dataclass(frozen=True, slots=True)
class NewJob:
    """What `Ledger.add_jobs` records."""

    hypertable: Relation
    chunk: Relation
    remove: bool | None
    #: which entry of the stream, or which request, asked
    request_key: str
    requested_by: str
    traceparent: str | None
    #: archive again although there is a finished archive
    force: bool = False


@dataclass(frozen=True, slots=True)
class AddedJob:
    """What became of a `NewJob`: `queued` wants a message, `skipped` is a duplicate, anything else is in hand already."""

    job_id: UUID
    status: Status
    traceparent: str | None


async def add(pool: LedgerPool, jobs: Sequence[NewJob]) -> list[AddedJob]:
    """Record each request, in one transaction, and return in the same order what became of it."""
    lists = _one_of_each_chunk(jobs)
    found = await pool.each("add_jobs", [_asked([jobs[place] for place in places]) for places in lists]) if lists else []
    added: dict[int, AddedJob] = {}
    for places, rows in zip(lists, found, strict=True):
        for place, row in zip(places, rows, strict=True):
            added[place] = AddedJob(row["job_id"], Status(row["status"]), row["traceparent"])
    return [added[place] for place in range(len(jobs))]


def _one_of_each_chunk(jobs: Sequence[NewJob]) -> list[list[int]]:
    """The places of requests, in lists that have each chunk at most once: the second request for a chunk has to find the first
    one's job.
    """
    lists: list[list[int]] = []
    asked: Counter[tuple[Relation, Relation]] = Counter()
    for place, job in enumerate(jobs):
        chunk = (job.hypertable, job.chunk)
        if asked[chunk] == len(lists):
            lists.append([])
        lists[asked[chunk]].append(place)
        asked[chunk] += 1
    return lists


def _asked(jobs: Sequence[NewJob]) -> dict[str, list[Any]]:
    return {
        "hypertables": [str(job.hypertable) for job in jobs],
        "chunks": [str(job.chunk) for job in jobs],
        "removes": [job.remove for job in jobs],
        "keys": [Prose(job.request_key) for job in jobs],
        "requesters": [Prose(job.requested_by) for job in jobs],
        # a request that nobody traces begins a trace of its own
        "traceparents": [job.traceparent or telemetry.new_trace("archive.request") for job in jobs],
        "forces": [job.force for job in jobs],
    }
