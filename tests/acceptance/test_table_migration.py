"""Archives of before the lake's tables had a schema are written anew exactly, or stay as they are with a reason."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from archival_core.errors import TransientError
from archival_core.flows.archive import published
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.flows.removal.second_region import SecondRegion
from archival_core.flows.tables.migrating import rewriting
from archival_core.flows.tables.migrating.outdated import Way
from archival_core.lake.client import LakehouseClient
from archival_core.model.chunks.chunk import Relation
from archival_core.model.lake.manifest import Manifest
from dev import delta_reader
from tests.acceptance.migrating import (
    FEBRUARY,
    JANUARY,
    answers,
    ask,
    check_migrated,
    check_table,
    commit,
    in_ledger,
    marks,
    migrate,
    older,
    table,
    texts,
)
from tests.kit.disks import Disks
from tests.kit.older_archives import earlier_forms, make_older, whole_texts
from tests.kit.timescaledb import is_community
from tests.kit.worlds import MINUTE, World, most_telling_apart

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.usefixtures("at_once")


@most_telling_apart
async def test_an_archive_whose_chunk_is_gone_is_written_anew(world: World) -> None:
    rows = await older(world)
    before, [former] = await answers(world), world.jobs()
    [planned] = await migrate(world)
    assert (planned.way, planned.archive.rows, planned.reason) == (Way.REWRITE, JANUARY, None)
    new = check_migrated(world)
    assert new["removed_at"] == former["removed_at"], "the rows went then"
    assert new["finished_at"] > former["finished_at"], "a lake that goes back to before may have lost it"
    assert await answers(world) == before and before.total() == JANUARY + FEBRUARY
    await check_table(world, new)

    assert await migrate(world) == [], "there is nothing left to do"
    report = await world.reconcile()
    assert (report.marks.removed, report.marks.back, report.marks.written) == (0, 0, 0)
    assert check_migrated(world)["job_id"] == new["job_id"]
    await world.restore()
    assert texts(world) == rows
    await world.reconcile()
    assert not world.jobs()[-1]["history_lost"], "the mark of its reading is there"
    await commit(world)
    assert delta_reader.count(table(world)) == JANUARY


@most_telling_apart
@pytest.mark.slow
async def test_another_table_under_the_name_says_nothing_about_columns(world: World) -> None:
    await older(world)
    world.service.execute(
        "alter table $s.readings rename to before;"
        " create table $s.readings (time timestamptz not null) partition by range (time);"
        " create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');"
        " insert into $s.readings values ('2026-03-01Z'); alter table $s.readings add note text default 'of another table'"
    )
    await migrate(world)
    new = check_migrated(world)
    [note] = [column for column in new["manifest"]["columns"] if column["name"] == "note"]
    assert note.get("default") is None


@most_telling_apart
async def test_a_chunk_that_is_there_is_archived_anew(world: World) -> None:
    rows = await older(world, remove=False)
    [planned] = await migrate(world)
    assert planned.way is Way.ARCHIVE
    assert sorted(world.statuses()) == ["archived", "superseded"]
    await commit(world)
    assert delta_reader.count(table(world)) == JANUARY
    assert await migrate(world) == []
    assert texts(world) == rows and marks(world) == []


@most_telling_apart
async def test_rows_that_are_written_otherwise_are_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await older(world)
    before, written = await answers(world), PartArchiver.archive

    async def otherwise(archiver: PartArchiver, *given: Any) -> Any:
        part = await written(archiver, *given)
        # the files have other rows than the copy from now on
        world.service.execute(f"update {archiver.form.chunk.relation.sql} set value = 6 where value = 5")
        return part

    monkeypatch.setattr(PartArchiver, "archive", otherwise)
    await migrate(world)
    former, new = world.jobs()
    assert (former["status"], new["status"], new["error"]["code"]) == ("removed", "failed", "rewrite-differs")
    assert "'value'" in new["error"]["message"] and new["lake_path"] is None
    assert await answers(world) == before
    monkeypatch.undo()
    await migrate(world)
    assert sorted(world.statuses()) == ["failed", "removed", "superseded"]


@most_telling_apart
async def test_a_damaged_archive_stays_as_it_is(world: World) -> None:
    await older(world)
    [(_, _, manifest)] = marks(world)
    [part] = [file for file in world.service.files("tables") if file.endswith(".parquet")][:1]
    content = bytearray((world.service.lake / part).read_bytes())
    content[len(content) // 2] ^= 1
    (world.service.lake / part).write_bytes(content)
    await migrate(world)
    assert marks(world)[0][2] == manifest
    new = next(job for job in world.jobs() if job["status"] != "removed")
    assert (new["lake_path"], new["error"]["code"]) == (None, "archive-damaged")


@most_telling_apart
async def test_what_is_damaged_since_it_was_published_takes_no_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await older(world)
    before, [mark] = await answers(world), marks(world)
    write = published.write_manifest

    async def damaged(lake: LakehouseClient, manifest: Manifest) -> None:
        await write(lake, manifest)
        part = world.service.lake / manifest.lake_path / manifest.parts[0].file
        part.write_bytes(part.read_bytes().replace(b"PAR1", b"PAR2"))

    monkeypatch.setattr(rewriting, "write_manifest", damaged)
    await migrate(world)
    former, new = world.jobs()
    assert (former["status"], new["status"], new["error"]["code"]) == ("removed", "failed", "archive-damaged")
    assert marks(world) == [mark] and await answers(world) == before


@most_telling_apart
async def test_the_former_archive_stands_in_until_the_second_region_has_the_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older(world)
    [mark] = marks(world)
    await ask(world)
    [message] = world.service.messages()

    async def not_yet(*_: object) -> None:
        raise TransientError("it is not there yet", code="lake-not-replicated")

    with monkeypatch.context() as patch:
        patch.setattr(SecondRegion, "check", not_yet)
        for _ in range(7):
            await world.service.runtime.archival_processor.process(message)
    assert world.statuses() == ["removed", "queued"], "it waits, however often"
    assert marks(world) == [mark]
    await world.service.runtime.archival_processor.process(message)
    check_migrated(world)


@most_telling_apart
async def test_a_lake_that_goes_back_to_before_the_new_archive_is_noticed(world: World) -> None:
    await older(world)
    lake = Path(world.service.emulator.root)
    before = lake.with_name("before")
    shutil.copytree(lake, before)
    await migrate(world)
    new = check_migrated(world)
    shutil.rmtree(lake)
    shutil.copytree(before, lake)
    report = await world.service.runtime.reconciler.reconcile(MINUTE)
    assert report.lost_by_lake == 1
    [finding] = {finding.job_id for finding in await world.service.runtime.verification.findings(10)}
    assert finding == new["job_id"]


@most_telling_apart
async def test_what_cannot_be_written_anew_is_said(world: World) -> None:
    await older(world)
    runtime = world.service.runtime
    in_ledger(world, "update archival.job set mark_owed = true")
    [planned] = await ask(world)
    assert (planned.way, planned.reason) == (Way.NONE, "the source has no mark of its removal yet, which reconcile writes")
    in_ledger(world, "update archival.job set mark_owed = false, relation_born = '3'")
    [planned] = await ask(world)
    assert planned.way is Way.NONE and "in another table" in (planned.reason or "")
    assert world.service.messages() == []
    assert await runtime.table_migration.plan(None) == [planned]


HYPERTABLE = """
create table $s.readings (time timestamptz not null, device int, day date, price numeric(10,2), note text);
select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '1 day');
insert into $s.readings select timestamptz '2026-01-01Z' + i * interval '1 minute', i % 4,
    case when i % 100 = 0 then 'infinity' when i % 100 = 1 then '0044-03-15 BC' else '2026-01-01' end::date,
    case when i % 7 = 0 then 'NaN' else i / 4.0 end, 'note ' || i from generate_series(0, 4319) i;
alter table $s.readings set (timescaledb.compress, timescaledb.compress_segmentby = 'device');
select compress_chunk(chunk) from show_chunks('$s.readings', older_than => timestamptz '2026-01-02Z') chunk
"""


async def test_compressed_chunks_of_timescaledb(timescaledb_service: Service) -> None:
    service = timescaledb_service
    if not is_community(service):
        pytest.skip("the Apache edition compresses nothing")
    world, hypertable = World(service, cast(Disks, None), None), f"{service.schema}.readings"
    for statement in HYPERTABLE.split(";"):
        service.execute(statement)
    rows = texts(world)
    with earlier_forms(), whole_texts("price"):
        await service.publish(hypertable=hypertable, older_than="2026-01-03T00:00:00Z", remove=True)
        await service.work()
        assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 2
    make_older(world)
    planned = await service.runtime.table_migration.ask(Relation.parse(hypertable), "a test")
    assert [one.way for one in planned] == [Way.REWRITE] * 2
    await service.work()
    assert sorted(job["status"] for job in service.jobs()) == ["removed", "removed", "superseded", "superseded"]
    await service.runtime.table_commits.commit(hypertable, wait=True)
    assert delta_reader.count(service.lake / "tables" / hypertable) == 2 * 1440
    await world.restore()
    assert texts(world) == rows
