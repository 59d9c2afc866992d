"""The main job, step by step: events become jobs, jobs become verified archives, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import psycopg
import pyarrow.parquet as pq
import pytest

from archival_core.errors import TransientError
from dev.demo.comparison import compare
from dev.lake_emulator import Fault

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

TABLE = """
create table $s.readings (time timestamptz not null, value double precision, note text, tags text[]) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings
select t, random(), case when random() < 0.9 then E'a "b"\\n' || t end, array[null, 'x']
from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', interval '10 minutes') t;
"""


async def drain_and_process(service: Service) -> None:
    await service.runtime.event_drain.drain()
    for message in service.messages():
        await service.runtime.archival_processor.process(message)


def equal(service: Service, partition: str, revision: int = 0) -> bool:
    with psycopg.connect(service.url, autocommit=True) as connection:
        folder = service.lake / "tables" / f"{service.schema}.readings" / f"{service.schema}.{partition}_r{revision}"
        return compare(connection, f"{service.schema}.{partition}", folder).equal


async def test_an_event_becomes_a_verified_archive(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await drain_and_process(service)

    [job] = service.jobs()
    assert (job["status"], job["attempt"], job["range_start"]) == ("archived", 1, "2026-01-01T00:00:00Z")
    assert equal(service, "jan")
    manifest = json.loads((service.lake / service.files("manifests")[0]).read_text())
    assert manifest["rows"] == job["rows"] == 4464
    assert manifest["parts"][0]["bytes"] == job["parquet_bytes"]
    assert service.files("staging") == []
    [result] = await service.results()
    assert (result["type"], result["data"]["rows"]) == ("archival.chunk.archived", 4464)


async def test_older_than_means_every_chunk_that_ends_by_then(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
    await drain_and_process(service)
    assert {job["chunk"]: job["status"] for job in service.jobs()} == {
        f"{service.schema}.jan": "archived",
        f"{service.schema}.feb": "archived",
    }


async def test_duplicates_give_one_archive(service: Service) -> None:
    service.execute(TABLE)
    for _ in range(3):
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    await asyncio.gather(*(service.runtime.archival_processor.process(message) for _ in range(5)))
    await service.runtime.archival_processor.process(message)
    assert sorted(job["status"] for job in service.jobs()) == ["archived", "skipped", "skipped"]
    assert len(await service.results()) == 1
    assert len(service.files("tables")) == 2  # one part and its manifest


async def test_bad_events_go_to_the_dead_stream_with_the_reason(service: Service) -> None:
    service.execute(TABLE)
    await service.redis.xadd(service.names["EVENTS_STREAM"], {"event": "{not json"})
    await service.publish(hypertable=f"{service.schema}.nowhere", older_than="2026-03-01T00:00:00Z")
    await service.publish(hypertable=f"{service.schema}.readings", older_than=17)
    report = await service.runtime.event_drain.drain()
    assert (report.buried, report.queued) == (3, 0)
    reasons = [entry["dead.reason"] for entry in await service.results("DEAD_STREAM")]
    assert [reason.split(":")[0] for reason in reasons] == ["invalid-event", "unknown-hypertable", "wrong-bound"]
    assert (await service.runtime.event_drain.drain()).events == 0


async def test_what_cannot_be_archived_fails_before_anything_is_written(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.gone")
    await drain_and_process(service)
    [job] = service.jobs()
    assert (job["status"], job["error"]["code"]) == ("failed", "unknown-chunk")
    assert service.files() == ["owner.json"]
    [result] = await service.results()
    assert (result["type"], result["data"]["error"]["code"]) == ("archival.chunk.failed", "unknown-chunk")


@pytest.mark.parametrize("step", ["x-ms-rename-source", "action=append", "action=flush"])
async def test_a_lost_acknowledgement_does_no_harm(service: Service, step: str) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    method = "PUT" if step.startswith("x-ms") else "PATCH"
    service.emulator.faults.append(Fault(method=method, contains=step, kind="drop_response"))
    await drain_and_process(service)
    assert [job["status"] for job in service.jobs()] == ["archived"]
    assert equal(service, "jan")


async def test_a_flipped_bit_on_the_way_back_is_found_and_nothing_is_published(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    service.emulator.faults.append(Fault(method="GET", contains=".parquet", kind="flip_bit", times=1000))
    with pytest.raises(TransientError):
        await service.runtime.archival_processor.process(message)
    assert service.files("tables") == []
    assert service.jobs()[0]["status"] == "queued"
    service.emulator.faults.clear()
    await service.runtime.archival_processor.process(message)
    assert equal(service, "jan")


async def test_a_bit_that_no_reader_looks_at_is_found_too(service: Service) -> None:
    # the first byte of a Parquet file says what it is, and readers look for that at its end
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    service.emulator.faults.append(Fault("PATCH", "part-00000.parquet?action=append", "bit_rot", byte=0))
    with pytest.raises(TransientError):
        await service.runtime.archival_processor.process(message)
    assert service.files("tables") == []
    await service.runtime.archival_processor.process(message)
    assert equal(service, "jan")


async def test_a_manifest_that_is_damaged_in_the_lake_is_not_published(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    service.emulator.faults.append(Fault("PUT", "write-once", "bit_rot"))
    with pytest.raises(TransientError):
        await service.runtime.archival_processor.process(message)
    assert service.files("tables") == []
    await service.runtime.archival_processor.process(message)
    assert equal(service, "jan")


async def test_an_archive_that_was_published_before_a_crash_is_adopted(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await drain_and_process(service)
    [job] = service.jobs()
    # as it is when the worker was killed between the rename and the manifest
    (service.lake / service.files("manifests")[0]).unlink()
    service.forge_ledger(
        f"update archival.job set status = 'running', lease_until = now() - interval '1s' where job_id = '{job['job_id']}'"
    )
    from archival_core.model.jobs.message import JobMessage

    await service.runtime.archival_processor.process(JobMessage(job["job_id"]))
    [again] = service.jobs()
    assert (again["status"], again["attempt"]) == ("archived", 2)
    assert len(service.files("manifests")) == 1
    assert pq.read_table(service.lake / again["lake_path"]).num_rows == 4464


async def test_a_message_given_up_fails_its_job_and_says_so(service: Service) -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    await service.give_up(message)
    [job] = service.jobs()
    assert (job["status"], job["error"]["code"]) == ("failed", "poisoned")
    assert [result["type"] for result in await service.results()] == ["archival.chunk.failed"]
