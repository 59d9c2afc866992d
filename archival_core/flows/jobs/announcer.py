"""The end of each job is told to other programs, on the result stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from archival_core import telemetry
from archival_core.clients.redis.messaging import MessagingClient
from archival_core.lake import paths
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs.job import Job, Status
from archival_core.model.lake.finding import Finding
from archival_core.telemetry import instruments

_ENDED: Final = {
    Status.ARCHIVED: "archival.chunk.archived",
    Status.REMOVED: "archival.chunk.removed",
    Status.RESTORED: "archival.chunk.restored",
    Status.FAILED: "archival.chunk.failed",
}
#: a result names so many findings of one archive; the ledger has all of them
_TOLD: Final = 20


class Announcer:
    """Tells what became of a job."""

    def __init__(self, ledger: Ledger, messaging: MessagingClient) -> None:
        self._ledger, self._messaging = ledger, messaging

    async def announce(self, job_id: UUID) -> None:
        """Tell the end of the job. A crash after the telling and before the note in the ledger makes the end told twice."""
        found = await self._ledger.find(job_id)
        if found is None:
            return
        job, _, announced = found
        if announced or job.status not in _ENDED:
            return
        await self._messaging.announce(_ENDED[job.status], str(job.chunk), _result(job), job.traceparent)
        if job.status is Status.REMOVED and job.source_bytes is not None:
            instruments.get().removed_size.add(job.source_bytes, {"hypertable": str(job.hypertable)})
        with telemetry.about_job(job.job_id):
            error_code = str(job.error["code"]) if job.status is Status.FAILED and job.error else None
            telemetry.event(_ENDED[job.status], error_code=error_code, **_counted(job))
        await self._ledger.mark_announced(job.job_id)

    async def tell_damaged(self, job: Job, findings: Sequence[Finding]) -> None:
        """Tell that a published archive is not what was written. It is told again each time that the archive is verified."""
        data = {
            "job_id": str(job.job_id),
            "hypertable": str(job.hypertable),
            "chunk": str(job.chunk),
            # `removed`: the archive was the only copy
            "status": str(job.status),
            "lake_path": job.lake_path,
            "findings": [{"file": f.file, "problem": str(f.problem), "detail": f.detail} for f in findings[:_TOLD]],
        }
        await self._messaging.announce("archival.archive.damaged", str(job.chunk), data, job.traceparent)
        with telemetry.about_job(job.job_id):
            only_copy = job.status is Status.REMOVED
            telemetry.event("archival.archive.damaged", chunk=str(job.chunk), findings=len(findings), only_copy=only_copy)


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
        "manifest": paths.archive_manifest(job.lake_path or paths.archive_folder(job.hypertable, job.chunk, job.revision)),
    }


def _counted(job: Job) -> dict[str, str | int | None]:
    """The attributes of a result by which telemetry counts results."""
    return {
        "job.kind": job.kind,
        "hypertable": str(job.hypertable),
        "chunk": str(job.chunk),
        "rows": job.rows,
        "source_bytes": job.source_bytes,
        "parquet_bytes": job.parquet_bytes,
    }
