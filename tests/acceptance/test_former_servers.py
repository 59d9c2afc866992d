"""A source that was moved to another server, by a dump or an upgrade, and archives of the former server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from archival_core.flows.upkeep.missing_tables import former_servers
from tests.acceptance.lineages import published

if TYPE_CHECKING:
    from tests.kit.worlds import World

REPLAYED = """
insert into $s.readings
select t, extract(epoch from t)::bigint, 'note ' || t from (values (timestamptz '2026-01-15Z')) v (t)
"""
LATE = "insert into $s.readings values ('2026-01-15 00:30Z', 1, 'late')"
#: A dump is read back into tables that are numbered anew.
DUMPED = """
create table $s.copy (like $s.readings including all);
insert into $s.copy select * from $s.jan;
drop table $s.jan;
alter table $s.copy rename to jan;
alter table $s.readings attach partition $s.jan for values from ('2026-01-01Z') to ('2026-02-01Z')
"""
ANOTHER = """
drop table $s.jan;
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')
"""


async def move(world: World, *changes: str) -> None:
    """Move the source to another server, say that it is the one now, and write to it."""
    world.disks.become_another()
    await world.service.runtime.ownership.take_over()
    for change in changes:
        world.service.execute(change)


async def archive_again(world: World) -> None:
    """Have what has changed archived anew, by way of a removal that refuses."""
    assert (await world.remove()).removed == 0
    await world.work()
    assert world.statuses() == ["archived", "archived"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([LATE], id="upgraded in place"),
        pytest.param([DUMPED, LATE], id="dumped"),
        pytest.param([DUMPED, "update $s.readings set note = 'other' where time = '2026-01-15Z'", LATE], id="and updated"),
        pytest.param([DUMPED, "alter table $s.jan rename to january", LATE], id="under another name"),
    ],
)
async def test_the_chunk_goes_and_each_row_is_in_the_table_once(world: World, changes: list[str]) -> None:
    await world.archive("jan")
    await move(world, *changes)
    before = world.live()
    if "january" in "".join(changes):
        await world.archive("january")
    else:
        await archive_again(world)
    await world.reconcile()
    assert sorted(world.statuses()) == ["archived", "superseded"]
    live = world.service.rows("select note from $s.readings where time < '2026-02-01Z'")
    assert sorted(row.partition("|")[2] for row in await published(world.service)) == sorted(note for (note,) in live)
    assert (await world.remove()).removed == 1
    assert world.whole() == before


async def test_what_was_compared_here_is_superseded_with_the_commit(world: World) -> None:
    """The comparison has proven the archive for this server, and something else has kept the chunk."""
    await world.archive("jan")
    await move(world, DUMPED, "create view $s.seen as select * from $s.jan")
    assert (await world.remove()).removed == 0
    assert [job["proof"] is not None for job in world.jobs()] == [True]
    world.service.execute(LATE)
    with psycopg.connect(world.ledger_url or world.service.url) as ledger:
        ledger.execute("update archival.job set removal_tried_at = null")
    assert (await world.remove()).removed == 0
    await world.work()
    assert world.statuses() == ["superseded", "archived"]


@pytest.mark.parametrize("replayed", [False, True])
async def test_another_chunk_of_the_name_takes_no_place(world: World, replayed: bool) -> None:
    """Not even where a replay has brought some of the rows again."""
    await world.archive("jan")
    await move(world, ANOTHER, LATE, *([REPLAYED] if replayed else []))
    await archive_again(world)
    await world.reconcile()
    assert world.statuses() == ["archived", "archived"]


#: The chunk becomes another table of the same rows, in the hypertable under its new name.
RENAMED = """
drop view $s.seen;
alter table $s.readings rename to measurements;
create table $s.copy (like $s.measurements including all);
insert into $s.copy select * from $s.jan;
drop table $s.jan;
alter table $s.measurements attach partition $s.copy for values from ('2026-01-01Z') to ('2026-02-01Z')
"""


async def compared_here(world: World) -> None:
    """The source is moved, the archive is compared with its chunk there, and a view keeps the chunk."""
    await world.archive("jan")
    await move(world, DUMPED, "create view $s.seen as select * from $s.jan")
    assert (await world.remove()).removed == 0
    assert [job["proof"] is not None for job in world.jobs()] == [True]


@pytest.mark.parametrize("more", ["", ";create table $s.readings (like $s.measurements) partition by range (time)"])
async def test_rows_of_a_hypertable_that_was_renamed_here_are_not_gone(world: World, more: str) -> None:
    """The manifest tells the hypertable's identity on the former server alone."""
    await compared_here(world)
    world.service.execute(RENAMED + more)
    await world.reconcile()
    assert world.statuses() == ["archived"]


async def test_a_chunk_that_others_dropped_here_is_gone(world: World) -> None:
    await compared_here(world)
    before = world.live()
    world.service.execute("drop table $s.jan cascade")
    await world.reconcile()
    assert world.statuses() == ["removed"]
    assert world.whole() == before


async def test_a_source_that_moved_once_more(world: World) -> None:
    """Both archives are of former servers."""
    await world.archive("jan")
    await move(world, DUMPED, LATE)
    await archive_again(world)
    await move(world, DUMPED)
    before = world.live()
    await world.reconcile()
    assert sorted(world.statuses()) == ["archived", "superseded"]
    assert (await world.remove()).removed == 1
    assert world.whole() == before


def february(statement: str) -> str:
    later = statement.replace("2026-02-01Z", "2026-03-01Z").replace("2026-01-", "2026-02-")
    return later.replace("$s.jan", "$s.feb").replace("to jan;", "to feb;")


async def test_what_nobody_can_decide_keeps_nobody_from_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(former_servers, "_DECIDED", 1)
    await world.archive("jan", "feb")
    undecided, _ = sorted(world.jobs(), key=lambda job: job["job_id"])
    changes = [DUMPED, february(ANOTHER)] if undecided["chunk"].endswith(".feb") else [ANOTHER, february(DUMPED)]
    await move(world, *changes, LATE, february(LATE))
    assert (await world.remove()).removed == 0
    await world.work()
    assert world.statuses() == ["archived"] * 4
    for _ in range(12):
        await world.reconcile()
        if "superseded" in world.statuses():
            break
    assert sorted(world.statuses()) == ["archived", "archived", "archived", "superseded"]


async def test_an_archive_without_rows_holds_nothing_up(world: World) -> None:
    world.service.execute("delete from $s.jan")
    await world.archive("jan")
    await move(world, DUMPED, LATE)
    before = world.live()
    await archive_again(world)
    await world.reconcile()
    assert (await world.remove()).removed == 1
    assert sorted(world.statuses()) == ["removed", "superseded"]
    assert world.whole() == before
