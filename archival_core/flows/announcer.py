"""The end of each job, told on the result stream."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from archival_core.clients.ledger import Ledger
from archival_core.clients.messaging_client import MessagingClient
from archival_core.model import lake_path
from archival_core.model.job import Job, Status

_ENDED: Final = {
    Status.ARCHIVED: "archival.chunk.archived",
    Status.REMOVED: "archival.chunk.removed",
    Status.RESTORED: "archival.chunk.restored",
    Status.FAILED: "archival.chunk.failed",
}


class Announcer:
    """Tells what became of a job."""

    def __init__(self, ledger: Ledger, messaging: MessagingClient) -> None:
        self._ledger, self._messaging = ledger, messaging

    async def announce(self, job_id: UUID) -> None:
        """Tell the end of the job once; a crash before it is marked as told tells it twice."""
        found = await self._ledger.find(job_id)
        if found is None:
            return
        job, _, announced = found
        if announced or job.status not in _ENDED:
            return
        await self._messaging.announce(_ENDED[job.status], str(job.chunk), _result(job), job.traceparent)
        await self._ledger.mark_announced(job.job_id)


def _result(job: Job) -> dict[str, object]:
    common = {"job_id": str(job.job_id), "hypertable": str(job.hypertable), "chunk": str(job.chunk)}
    if job.status is Status.FAILED:
        return {**common, "error": job.error}
    return {
        **common,
        "range_start": job.range.start,
        "range_end": job.range.end,
        "rows": job.rows,
        "source_bytes": job.source_bytes,
        "parquet_bytes": job.parquet_bytes,
        "lake_path": job.lake_path,
        "manifest": lake_path.manifest_file(job.hypertable, job.chunk, job.revision),
    }
