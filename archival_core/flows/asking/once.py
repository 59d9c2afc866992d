"""A request with an idempotency key is done once. A caller who heard no answer asks again with the same key, and hears the
first answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

from archival_core.errors import PermanentError
from archival_core.ledger.asking.requests import Requests
from archival_core.ledger.jobs.adding import AddedJob

#: Does the request under a key, with which its jobs are recorded. Done twice under one key, it finds its own jobs again.
Work = Callable[[str], Awaitable[Sequence[AddedJob]]]


class Once:
    """Requests with an idempotency key."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def do(self, key: str | None, fingerprint: str, work: Work) -> list[UUID]:
        """Do the request, and return its jobs. If the key was used for it before, return the jobs of the first time;
        without a key it is always done.

        Raises `PermanentError` (`idempotency-key-reused`) if the key was used for another request.
        """
        if key is None:
            return [job.job_id for job in await work(f"api/{uuid4()}")]
        claimed = await self._requests.claim(key, fingerprint)
        if claimed.fingerprint != fingerprint:
            raise PermanentError(
                "this Idempotency-Key was used for another request; take a new one", code="idempotency-key-reused"
            )
        if claimed.jobs is not None:
            return list(claimed.jobs)
        # another request with the same key may be running, or was killed half-way: in both cases its jobs are the same
        jobs = [job.job_id for job in await work(f"api/{key}")]
        await self._requests.answer(key, jobs)
        return jobs
