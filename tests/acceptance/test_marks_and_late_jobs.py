"""Marks of archives whose job the ledger has as one without an archive."""

from __future__ import annotations

import pytest

from archival_core.model.jobs.message import JobMessage
from tests.kit.worlds import World

pytestmark = pytest.mark.usefixtures("at_once")

LATE = (
    "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');"
    "insert into $s.readings values ('2026-01-05T12:30Z', 1, 'late')"
)


async def test_a_job_that_a_ledger_put_back_has_skipped_follows_its_mark(apart: World) -> None:
    """The chunk's name had an archive before, so the job that runs again finds its chunk gone, and takes itself for late."""
    whole = sorted([*apart.live(), '("2026-01-05 12:30:00+00",1,late)'])
    await apart.archive("jan")
    assert (await apart.remove()).removed == 1
    apart.service.execute(LATE)
    schema = apart.service.schema
    await apart.service.publish(hypertable=f"{schema}.readings", chunk=f"{schema}.jan")
    await apart.service.runtime.event_drain.drain()
    saved = await apart.save_ledger()
    await apart.work()
    assert (await apart.remove()).removed == 1
    await apart.put_ledger_back(saved)
    [waiting] = [job["job_id"] for job in apart.jobs() if job["status"] == "queued"]
    await apart.service.runtime.queue.send([JobMessage(waiting, None)])
    await apart.work()
    assert apart.statuses() == ["removed", "skipped"]
    report = await apart.reconcile()
    assert (apart.statuses(), apart.whole()) == (["removed", "removed"], whole), report
