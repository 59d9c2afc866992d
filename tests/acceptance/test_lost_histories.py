"""A source that was put back to before an archive which had taken another one's place: that one counts again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest

from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage
from tests.kit.worlds import MINUTE, TABLE, World

if TYPE_CHECKING:
    from archival_core.flows.upkeep.reconcile import ReconcileReport
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MERGE = (
    "create table $s.aside as table $s.readings; drop table $s.jan, $s.feb;"
    "create table $s.both partition of $s.readings for values from ('2026-01-01Z') to ('2026-03-01Z');"
    "insert into $s.readings table $s.aside; drop table $s.aside"
)


@pytest.fixture
def shared(service: Service) -> World:
    """A world on a server that stays as it is: the marks alone go back."""
    service.execute(TABLE)
    return World(service, cast(Any, None), None)


async def archive_again(world: World, chunk: str) -> None:
    schema = world.service.schema
    wish = NewJob(Relation(schema, "readings"), Relation(schema, chunk), None, "again", "x", None, force=True)
    [job] = await world.service.runtime.ledger.add_jobs([wish])
    await world.service.runtime.archival_processor.process(JobMessage(job.job_id))


async def reconciled(world: World) -> ReconcileReport:
    report = await world.service.runtime.reconciler.reconcile(MINUTE)
    assert report.failed == {}
    return report


def folders(world: World, below: str) -> list[str]:
    return sorted(folder.name.rpartition(".")[2] for folder in (world.service.lake / below).glob("*/*_r*"))


async def test_what_a_lost_archive_had_superseded_counts_again(apart: World) -> None:
    await apart.archive("jan")
    apart.disks.save()
    apart.service.execute("update $s.readings set note = 'A' where time = '2026-01-15Z'")
    await archive_again(apart, "jan")
    assert (apart.statuses(), folders(apart, "superseded")) == (["superseded", "archived"], ["jan_r0"])
    apart.disks.put_back()
    before = apart.live()
    report = await reconciled(apart)
    assert (report.marks.lost, report.marks.revived) == (1, 1)
    assert (apart.statuses(), folders(apart, "superseded")) == (["archived", "archived"], [])
    # that stays so
    report = await reconciled(apart)
    assert (report.marks.lost, report.marks.revived, apart.statuses()) == (0, 0, ["archived", "archived"])
    # and goes on the grounds of its own reading, and nothing is archived again
    with psycopg.connect(apart.ledger_url or "") as ledger:
        ledger.execute("update archival.job set remove = revision = 0")
    assert (await apart.remove()).removed == 1
    await apart.reconcile()
    assert (apart.statuses(), apart.whole()) == (["removed", "superseded"], before)
    await apart.restore()
    assert apart.live() == before


async def test_a_history_that_comes_again_supersedes_again(shared: World) -> None:
    """The source was put back too far, and then put forward: the mark is there again."""
    await shared.archive("jan")
    await archive_again(shared, "jan")
    lost = "job = (select job from archival_marks.reading order by marked_at desc limit 1)"
    shared.service.execute(f"create table $s.kept as select * from archival_marks.reading where {lost}")
    shared.service.execute(f"delete from archival_marks.reading where {lost}")
    assert (await reconciled(shared)).marks.revived == 1
    shared.service.execute("insert into archival_marks.reading table $s.kept")
    await reconciled(shared)
    assert (await reconciled(shared)).marks.revived == 0
    assert (shared.statuses(), folders(shared, "superseded")) == (["superseded", "archived"], ["jan_r0"])


@pytest.mark.parametrize("how", ["merged", "restored", "without a mark of its own"])
async def test_other_ways_to_be_superseded(shared: World, how: str) -> None:
    """Put back to before the archive that took the place, and after whatever moved the rows there."""
    before = shared.live()
    await shared.archive("jan", remove=how == "restored")
    if how == "merged":
        for statement in MERGE.split(";"):
            shared.service.execute(statement)
    if how == "restored":
        assert (await shared.remove()).removed == 1
        await shared.restore()
    chunk = "both" if how == "merged" else "jan"
    if how == "merged":
        await shared.archive(chunk, remove=False)
    else:
        await archive_again(shared, chunk)
    await reconciled(shared)
    assert sorted(shared.statuses()) == ["archived", "superseded"]
    lost = "(select job from archival_marks.reading order by marked_at desc limit 1)"
    whose = "true" if how == "without a mark of its own" else f"job = {lost}"
    # as the source was before the last reading
    shared.service.execute(f"delete from archival_marks.reading where {whose}")
    await reconciled(shared)
    await reconciled(shared)
    expected: dict[str, list[Any]] = {
        "merged": [("archived", False), ("archived", True)],
        "restored": [("archived", False), ("archived", True)],
        "without a mark of its own": [("archived", True), ("superseded", True)],
    }
    jobs = sorted((job["status"], job["history_lost"]) for job in shared.jobs())
    assert (jobs, shared.live()) == (expected[how], before)
    if how == "merged":
        # no archive of this history is later than that of jan
        shared.service.execute("drop table $s.both")
        report = await reconciled(shared)
        assert (report.missing_tables.removed, report.missing_tables.undecided) == (1, 1)
        assert shared.service.rows("select chunk from archival_marks.stand_in") == [(f"{shared.service.schema}.jan",)]
