"""A hypertable that was moved to another server, and archives of the former server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage
from tests.kit.timescaledb import chunks

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.timescaledb, pytest.mark.usefixtures("at_once")]

TABLE = """
create table $s.readings (time timestamptz not null, device int, note text);
select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '1 day');
select add_dimension('$s.readings', 'device', number_partitions => 2);
insert into $s.readings
select timestamptz '2026-01-01Z' + i * interval '10 minutes', i % 4, 'note ' || i from generate_series(0, 143) i;
"""
#: as if another server had been read
ELSEWHERE = """
update archival.job set manifest = jsonb_set(manifest, '{source,system_identifier}', '"1"') where hypertable = '$s.readings'
"""


async def test_an_archive_of_a_sibling_takes_no_place(timescaledb_service: Service) -> None:
    """Its chunk is there, has all of the rows, and has no other archive."""
    service = timescaledb_service
    service.execute(TABLE)
    first, second = chunks(service)
    for chunk in (first, second):
        await service.publish(hypertable=f"{service.schema}.readings", chunk=chunk, remove=False)
    await service.work()
    service.execute(ELSEWHERE)
    again = NewJob(Relation(service.schema, "readings"), Relation.parse(first), False, "again", "a test", None, force=True)
    [job] = await service.runtime.ledger.add_jobs([again])
    await service.runtime.archival_processor.process(JobMessage(job.job_id))
    await service.runtime.reconciler.reconcile(timedelta(minutes=1))
    statuses = [(job["chunk"], job["status"]) for job in service.jobs()]
    assert sorted(statuses) == sorted([(first, "superseded"), (first, "archived"), (second, "archived")])
