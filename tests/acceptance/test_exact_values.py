"""A chunk with values that no form holds goes and comes back like any other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.job import Status

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MINUTE = timedelta(minutes=1)
#: More rows than a trial brings back whole, so that it takes slices.
TABLE = """
create table $s.t ("the time" timestamptz not null, "a price" numeric(10,2), until timestamptz, tags text[], v float8)
partition by range ("the time");
create table $s.jan partition of $s.t for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.t select '2026-01-01Z'::timestamptz + i * interval '1 s',
    case i % 7 when 0 then 'NaN'::numeric else i % 100 / 3.0 end, case i % 3 when 0 then 'infinity'::timestamptz end,
    case i % 11 when 0 then '{{a,b},{c,NULL}}'::text[] else '{a}' end, case i % 13 when 0 then 'NaN'::float8 else i end
from generate_series(0, 40000) i;
"""
ROWS = "select t::text from $s.t t order by 1"


async def test_a_chunk_goes_after_a_trial_and_comes_back(service: Service) -> None:
    service.execute(TABLE)
    before = service.rows(ROWS)
    await service.publish(hypertable=f"{service.schema}.t", chunk=f"{service.schema}.jan", remove=True)
    await service.work()
    report = await service.runtime.chunk_removal.remove_due(MINUTE)
    assert report.kept == {}
    [job] = service.jobs()
    assert job["status"] == Status.REMOVED
    exact = [part["exact"] for part in job["manifest"]["parts"]]
    assert sum(part["a_x20_price"] for part in exact) == 5715
    assert all(part.keys() == {"a_x20_price", "until", "tags"} for part in exact)
    assert service.rows(ROWS) == []
    assert (await service.runtime.verification.verify_due(MINUTE)).damaged == {}
    wish = RestoreRequest(Relation(service.schema, "t"), None, ChunkRange(None, None), RestoreWish(), "again", "a test")
    await service.runtime.restore_requests.request(wish)
    assert await service.restore() == []
    assert service.rows(ROWS) == before
