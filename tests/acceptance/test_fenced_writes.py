"""Whoever has lost a job's lease writes nothing more of it into the ledger, whatever was just to be written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import pytest

from archival_core.errors import LostLeaseError
from archival_core.ledger.jobs.adding import NewJob
from archival_core.ledger.jobs.job_life import Marked
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest
from archival_core.runtime import Runtime
from archival_core.source import catalog
from tests.acceptance.conftest import no_marks

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

LEASE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour');
"""


async def assign_revision(runtime: Runtime, job: Job, _: Manifest) -> None:
    async with runtime._source.connect() as connection:
        await runtime.ledger.assign_revision(job, await catalog.find_chunk(connection, job.hypertable, job.chunk), "1")


async def finish_restore(runtime: Runtime, job: Job, _: Manifest) -> None:
    async with runtime._source.connect() as connection, connection.transaction():
        await runtime.restore_processor._restores.finish(job, connection)


#: every write of a worker, of the archive's manifest where there has to be one
WRITES: dict[str, Callable[[Runtime, Job, Manifest], Awaitable[Any]]] = {
    "assign_revision": assign_revision,
    "renew_lease": lambda runtime, job, _: runtime.ledger.renew_lease(job, LEASE),
    "check_lease": lambda runtime, job, _: runtime.ledger.check_lease(job),
    "begin_parts": lambda runtime, job, _: runtime.ledger.begin_parts(job, None),
    "take_parts": lambda runtime, job, _: runtime.ledger.take_parts(job, "staging/of/mine"),
    "add_part": lambda runtime, job, manifest: runtime.ledger.add_part(job, 7, manifest.parts[0]),
    "postpone": lambda runtime, job, _: runtime.ledger.postpone(job),
    "declare": lambda runtime, job, _: runtime.ledger.declare(job, "0" * 64),
    "finish_archive": lambda runtime, job, manifest: runtime.ledger.finish_archive(job, manifest, no_marks),
    "count_failure": lambda runtime, job, _: runtime.ledger.count_failure(job, "code"),
    "release": lambda runtime, job, _: runtime.ledger.release(job, "code", "message"),
    "fail": lambda runtime, job, _: runtime.ledger.fail(job, "code", "message"),
    "finish_restore": finish_restore,
}


async def overtaken(service: Service) -> tuple[Job, Job, Manifest]:
    """A job as its first worker knows it, as its second does, and the manifest of another chunk's archive."""
    service.execute(TABLE)
    for chunk in ("feb", "jan"):
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}")
    await service.runtime.event_drain.drain()
    messages = {str(job["chunk"]): job["job_id"] for job in service.jobs()}
    ledger = service.runtime.ledger
    first = await ledger.take_lease(messages[f"{service.schema}.jan"], timedelta(0))
    other = await ledger.take_lease(messages[f"{service.schema}.feb"], LEASE)
    assert first is not None
    assert other is not None
    manifest = await service.runtime.chunk_archiver.archive(other)
    second = await ledger.take_lease(first.job_id, LEASE)
    assert second is not None
    assert manifest is not None
    await ledger.declare(second, manifest.sha256())
    return first, second, manifest


@pytest.mark.parametrize("write", WRITES)
async def test_a_worker_that_was_overtaken_writes_nothing(service: Service, write: str) -> None:
    first, second, manifest = await overtaken(service)

    def written() -> list[Any]:
        parts = service.rows(f"select number from archival.part where job_id = '{first.job_id}'")
        return [[job for job in service.jobs() if job["job_id"] == first.job_id], parts]

    before = written()
    with pytest.raises(LostLeaseError):
        await WRITES[write](service.runtime, first, manifest)
    assert written() == before
    # whoever has the lease may
    await WRITES[write](service.runtime, second, manifest)


async def test_a_job_that_nobody_holds_is_not_written_to(service: Service) -> None:
    first, second, manifest = await overtaken(service)
    await service.runtime.ledger.fail(second, "code", "message")
    for job in (first, second):
        for write in WRITES.values():
            with pytest.raises(LostLeaseError):
                await write(service.runtime, job, manifest)
    assert [job["status"] for job in service.jobs() if job["job_id"] == first.job_id] == ["failed"]


async def test_a_worker_from_before_a_ledger_was_put_back_writes_nothing(service: Service) -> None:
    """Attempts are counted anew then: the next worker has the number of the first."""
    first, _, manifest = await overtaken(service)
    service.execute(
        f"update archival.job set status = 'queued', attempt = 0, lease_until = null where job_id = '{first.job_id}'"
    )
    again = await service.runtime.ledger.take_lease(first.job_id, LEASE)
    assert again is not None
    assert again.attempt == first.attempt
    for write in WRITES.values():
        with pytest.raises(LostLeaseError):
            await write(service.runtime, first, manifest)
    await service.runtime.ledger.check_lease(again)


async def test_an_archive_that_was_not_declared_is_not_recorded(service: Service) -> None:
    _, second, manifest = await overtaken(service)
    other = manifest.model_copy(update={"rows": 1})
    with pytest.raises(LostLeaseError):
        await service.runtime.ledger.finish_archive(second, other, no_marks)
    await service.runtime.ledger.check_lease(second)


async def test_what_is_superseded_is_waited_for(service: Service) -> None:
    """A remover with a ledger elsewhere keeps the archive's row locked until the source has committed the drop."""
    _, second, manifest = await overtaken(service)
    earlier = f"tables/{service.schema}.readings/of_before"
    service.execute(
        f"update archival.job set status = 'archived', lake_path = '{earlier}' where chunk = '{service.schema}.feb'"
    )
    later = manifest.model_copy(update={"supersedes": (earlier,)})
    await service.runtime.ledger.declare(second, later.sha256())
    asked: list[int] = []

    async def ask_source(archives: Collection[UUID]) -> Marked:
        asked.append(len(archives))
        return Marked(stands_in=False, table_went=False)

    with psycopg.connect(service.url) as remover:
        remover.execute("update archival.job set status = 'removed' where lake_path = %s", (earlier,))
        finishing = asyncio.create_task(service.runtime.ledger.finish_archive(second, later, ask_source))
        await asyncio.sleep(0.5)
        assert asked == []
        remover.commit()
    await finishing
    assert asked == [1]


async def test_a_request_waits_for_another_one_of_the_same_chunk(service: Service) -> None:
    service.execute(TABLE)
    await service.runtime.ledger.ping()
    asked = NewJob(
        hypertable=Relation(service.schema, "readings"),
        chunk=Relation(service.schema, "jan"),
        remove=None,
        request_key="one",
        requested_by="test",
        traceparent=None,
        force=True,
    )
    with psycopg.connect(service.url) as other:
        # a second drain, which has not committed yet
        other.execute(
            "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by)"
            " values ('archive', %s, %s, 'queued', 'another', 'test')",
            (str(asked.hypertable), str(asked.chunk)),
        )
        adding = asyncio.create_task(service.runtime.ledger.add_jobs([asked]))
        await asyncio.sleep(0.3)
        other.commit()
    [added] = await adding
    assert added.status == "skipped"
    assert sorted(job["status"] for job in service.jobs()) == ["queued", "skipped"]
