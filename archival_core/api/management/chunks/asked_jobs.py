"""The jobs that a request asks for, recorded once however often the request comes."""

from __future__ import annotations

from pydantic import BaseModel

from archival_core.api.management.jobs.job_view import JobsView, view
from archival_core.api.management.requests.fields import fingerprint
from archival_core.api.services import Services
from archival_core.flows.asking.once import Work


async def asked_jobs(services: Services, key: str | None, operation: str, asked: BaseModel, work: Work) -> JobsView:
    """The answer to `asked`: jobs that `work` records now, or recorded when the request came with `key` before.

    Raises `PermanentError` (`idempotency-key-reused`), and what `work` raises.
    """
    job_ids = await services.once.do(key, fingerprint(operation, asked), work)
    return JobsView(jobs=[view(job) for job in await services.jobs.these(job_ids)])
