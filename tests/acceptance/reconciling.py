"""Archives, and what crashes leave of them, for the tests of `reconcile`."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds
import pytest

from archival_core.errors import PermanentError
from archival_core.flows.upkeep.reconcile import ReconcileReport
from archival_core.ledger.jobs.adding import NewJob
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


MINUTE = timedelta(minutes=1)


DAY_SECONDS = 86_400


TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""


async def archive(service: Service, *chunks: str) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}")
    await service.work()


async def reconcile(service: Service) -> ReconcileReport:
    return await service.runtime.reconciler.reconcile(MINUTE)


def folder(service: Service, name: str) -> str:
    return f"tables/{service.schema}.readings/{service.schema}.{name}"


def published(service: Service) -> ds.Dataset:
    return ds.dataset(service.lake / "tables" / f"{service.schema}.readings")


def statuses(service: Service) -> list[str]:
    return [job["status"] for job in service.jobs()]


def as_if_crashed_after_the_rename(service: Service, status: str = "failed") -> dict[str, Any]:
    """The last job of January as it was when its worker died between publishing and everything after."""
    job = [job for job in service.jobs() if job["chunk"].endswith(".jan")][-1]
    (service.lake / f"manifests/{job['lake_path'].partition('/')[2]}.json").unlink()
    service.forge_ledger(
        f"update archival.job set status = '{status}', lake_path = null, manifest = null, rows = null, announced = true,"
        f" error = '{{}}' where job_id = '{job['job_id']}'"
    )
    return job


def age(path: Path, days: float) -> None:
    for found in (path, *path.rglob("*")):
        os.utime(found, (time.time() - days * DAY_SECONDS,) * 2)


async def published_by_a_worker_that_died(service: Service) -> JobMessage:
    """January changed and is archived again: that is published, and nothing comes after."""
    readings = Relation(service.schema, "readings")
    again = NewJob(readings, Relation(service.schema, "jan"), None, "again", "a test", None, force=True)
    [job] = await service.runtime.ledger.add_jobs([again])

    async def dead(*_: object) -> None:
        raise PermanentError("dead", code="dead")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "finish_archive", dead)
        await service.runtime.archival_processor.process(JobMessage(job.job_id))
    assert statuses(service) == ["archived", "failed"]
    return JobMessage(job.job_id)


async def remove(service: Service) -> None:
    service.execute("update archival.job set remove = true, finished_at = now() - interval '2 days' where status = 'archived'")
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1
