"""The same request is done once: a caller who heard no answer asks again with the same key, and hears the first one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

from archival_core.errors import PermanentError
from archival_core.ledger.asking.requests import Requests
from archival_core.ledger.jobs.job_life import AddedJob

#: Does the request under a key that its jobs are recorded with: done twice under one key, it finds its own jobs again.
Work = Callable[[str], Awaitable[Sequence[AddedJob]]]


class Once:
    """Requests with an idempotency key."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def do(self, key: str | None, fingerprint: str, work: Work) -> list[UUID]:
        """The jobs of the request, and those of the first time if it was done before; without a key it is always done.

        Raises `PermanentError` (`idempotency-key-reused`) if the key was used for something else.
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
        # another request of the same key may be at it, or was killed half-way: either way the jobs are the same
        jobs = [job.job_id for job in await work(f"api/{key}")]
        await self._requests.answer(key, jobs)
        return jobs
