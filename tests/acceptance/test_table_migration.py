"""Archives of before the lake's tables had a schema are written anew: exactly, once, and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import psycopg
import pytest
from deltalake import DeltaTable
from psycopg.rows import dict_row

from archival_core.errors import LostLeaseError, TransientError
from archival_core.flows.archive import published
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.flows.archive.publishing import Publishing
from archival_core.flows.archive.retiring import Retiring
from archival_core.flows.removal.second_region import SecondRegion
from archival_core.flows.tables.migrating import rewriting
from archival_core.flows.tables.migrating.outdated import Planned, Way
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.archives.rewrites import Rewrites
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage
from archival_core.model.lake.manifest import Manifest
from archival_core.source.restore.proof import copying
from archival_core.source.state.marks import handing_over
from dev import delta_reader
from tests.kit.asking import asked, queries_of
from tests.kit.disks import Disks
from tests.kit.older_archives import earlier_forms, make_older, whole_texts
from tests.kit.timescaledb import is_community
from tests.kit.worlds import MINUTE, World

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.usefixtures("at_once")

TABLE = """
drop table $s.readings;
create table $s.readings (time timestamptz not null, value bigint, price numeric(10,2), day date, seen timestamp, grid int[],
                          days date[], "Odd Name" double precision, note text) partition by range (time);
create table $s."jan 1" partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, n, n / 4.0, t, t, array[n, null], array[t]::date[], n / 3.0, 'note ' || n
from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') with ordinality as g (t, n);
insert into $s.readings values
    ('2026-01-05Z', -1, 'NaN', 'infinity', '-infinity', '{{1,2},{3,4}}', '{infinity,NULL,-infinity}', 'NaN', null),
    ('2026-01-05Z', null, null, '20000-01-01', '0044-03-15 12:00:00 BC', '[0:1]={1,2}', '{0044-03-15 BC}', '-0', ''),
    ('2026-01-05Z', 0, -0.01, null, null, null, '{}', 'infinity', E'a\tb\\c"{},\x01');
"""
TEXTS = ("price", "grid")
JANUARY, FEBRUARY = 744 + 3, 649


async def older(world: World, *, remove: bool = True, before_marks: bool = False) -> Counter[Any]:
    """A table of which January is in an archive of before, and with `remove` nowhere else; returns its rows."""
    world.service.execute(TABLE)
    rows = texts(world)
    with earlier_forms(), whole_texts(*TEXTS):
        await world.service.publish(
            hypertable=f"{world.service.schema}.readings", chunk=f'{world.service.schema}."jan 1"', remove=remove
        )
        await world.work()
        if remove:
            assert (await world.remove()).removed == 1
    make_older(world, before_marks=before_marks)
    return rows


def texts(world: World) -> Counter[Any]:
    """The rows that are in the database, as PostgreSQL prints them."""
    return Counter(world.service.rows("select r::text from $s.readings r"))


async def ask(world: World) -> list[Planned]:
    return await world.service.runtime.table_migration.ask(None, "a test")


async def migrate(world: World) -> list[Planned]:
    planned = await ask(world)
    await world.work()
    return planned


async def commit(world: World) -> None:
    report = await world.service.runtime.table_commits.commit_due(MINUTE)
    assert (report.failed, report.left_out) == ({}, 0)


async def answers(world: World) -> Counter[str]:
    """All rows of the hypertable, archived and live, as `archival_core.query` answers."""
    whole = f"select * from {world.service.schema}.readings"
    found = await asked(queries_of(world.service), whole, as_text=["grid", "price", "day", "days", "seen"])
    return Counter(map(repr, found.result.to_pylist()))


def marks(world: World) -> list[tuple[UUID, str, str]]:
    return world.service.rows("select archive, kind, manifest from archival_marks.stand_in order by archive")


def table(world: World) -> Path:
    return world.service.lake / "tables" / f"{world.service.schema}.readings"


def in_ledger(world: World, statement: str) -> None:
    with psycopg.connect(world.ledger_url or world.service.url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute(statement.encode())


def expire_leases(world: World) -> None:
    in_ledger(world, "update archival.job set lease_until = now() - interval '1 second' where status = 'running'")


def check_migrated(world: World) -> dict[str, Any]:
    """One archive stands in for January, which is of the table's schema; returns its row in the ledger."""
    new, former = sorted(world.jobs(), key=lambda job: job["status"])
    assert (new["status"], former["status"]) == ("removed", "superseded")
    assert marks(world) == [(new["job_id"], "removed", new["manifest_sha256"])]
    manifest = Manifest.model_validate(new["manifest"])
    assert manifest.supersedes == (former["lake_path"],)
    assert "%" not in manifest.lake_path and all(column.lake_number for column in manifest.columns)
    assert (manifest.rows, new["rows"], new["dropped_by"]) == (JANUARY, JANUARY, "service")
    assert (world.service.lake / manifest.lake_path).is_dir()
    left = world.service.rows("select relname from pg_class where relnamespace = to_regnamespace('archival_restore')::oid")
    assert not [name for (name,) in left if name[:1].isdigit() or name.startswith(new["job_id"].hex)]
    return new


async def check_table(world: World, new: dict[str, Any]) -> None:
    """The table in the lake has exactly the rows of January, in its schema."""
    await commit(world)
    paths = DeltaTable(table(world)).get_add_actions()["path"].to_pylist()
    assert {f"tables/{table(world).name}/{path.partition('/')[0]}" for path in paths} == {new["lake_path"]}
    assert delta_reader.count(table(world)) == JANUARY
    found = delta_reader.read(
        table(world),
        "select price, day::text, grid, _archival_exact['price'] from t where value = -1 or value = 0 order by value",
    )
    assert [(str(row[0]), *row[1:]) for row in found] == [("None", "9999-12-31", None, "NaN"), ("-0.01", None, None, None)]
    assert delta_reader.read(table(world), "select count(*) from t where price >= 100")[0][0] == 345


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


class KilledError(BaseException):
    """The process ends here, as far as the service can tell: nothing catches it."""


#: Whatever comes first of a step: who is killed there has done all of the steps before.
STEPS = (
    (copying, "copy"),
    (PartArchiver, "archive"),
    (copying, "check_same"),
    (Publishing, "publish"),
    (LakehouseClient, "publish_directory"),
    (rewriting, "write_manifest"),
    (handing_over, "hand_over"),
    # the source has committed, where the ledger is elsewhere
    (Rewrites, "finish"),
    (Retiring, "retire"),
)


async def kill(world: World, message: JobMessage, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    async def killed(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(BaseException) as raised:
            await world.service.runtime.archival_processor.process(message)
    assert raised.group_contains(KilledError) if isinstance(raised.value, BaseExceptionGroup) else raised.type is KilledError
    expire_leases(world)


async def test_killed_at_any_step_and_run_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await older(world)
    before = await answers(world)
    await ask(world)
    [message] = world.service.messages()
    for owner, name in STEPS:
        await kill(world, message, monkeypatch, owner, name)
        assert len(marks(world)) == 1
        assert await answers(world) == before, name
    await world.service.runtime.archival_processor.process(message)
    await check_table(world, check_migrated(world))
    assert await answers(world) == before
    assert await migrate(world) == []
    await world.restore()
    assert texts(world) == rows


async def test_reconcile_finishes_what_a_crash_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await older(world)
    before = await answers(world)
    await ask(world)
    [message] = world.service.messages()
    await kill(world, message, monkeypatch, Rewrites, "finish")
    # a commit that may find the ledger behind the marks: then neither archive enters or leaves
    await world.service.runtime.table_commits.commit_due(MINUTE)
    # somebody believes that marks were lost
    await world.service.runtime.mark_rebuild.owe_all()
    assert await answers(world) == before
    await world.reconcile()
    # nothing has happened in a ledger in the source, and its job goes on
    await world.service.runtime.archival_processor.process(message)
    await check_table(world, check_migrated(world))
    assert await answers(world) == before


async def test_two_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await older(world)
    before = await answers(world)
    planned = await asyncio.gather(*(ask(world) for _ in range(3)))
    assert [job["status"] for job in world.jobs()].count("queued") == 1
    assert {one.way for plan in planned for one in plan} <= {Way.REWRITE, Way.UNDER_WAY}
    message, *_ = world.service.messages()
    process, hand_over = world.service.runtime.archival_processor.process, handing_over.hand_over

    async def overtaken(*given: Any) -> None:
        """While the first worker is about to hand the mark over, its lease passes on."""
        monkeypatch.setattr(handing_over, "hand_over", hand_over)
        expire_leases(world)
        await process(message)
        await hand_over(*given)

    async def paused(*_: object) -> None:
        """A worker that does not renew its lease."""

    # with a ledger elsewhere the first worker has the rows locked by then, and the second would wait for it
    if world.ledger_url is None:
        monkeypatch.setattr(Ledger, "renew_lease", paused)
        monkeypatch.setattr(handing_over, "hand_over", overtaken)
        with pytest.raises(LostLeaseError):
            await process(message)
    else:
        await asyncio.gather(process(message), process(message))
    await check_table(world, check_migrated(world))
    assert await answers(world) == before


async def test_a_restore_that_is_faster_keeps_the_archive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await older(world)
    before = await answers(world)
    await ask(world)
    [message] = world.service.messages()
    held = Rewrites.held

    @asynccontextmanager
    async def restored_first(*given: Any) -> AsyncIterator[Any]:
        monkeypatch.setattr(Rewrites, "held", held)
        await world.restore()
        async with held(*given) as ledger:
            yield ledger

    monkeypatch.setattr(Rewrites, "held", restored_first)
    await world.service.runtime.archival_processor.process(message)
    former, new = world.jobs()
    assert (new["status"], new["error"]["code"]) == ("failed", "not-rewritable")
    await world.reconcile()
    # what was published for nothing stands in for no rows, and the archive of before goes on
    assert world.statuses() == ["archived", "superseded"]
    assert marks(world) == [(former["job_id"], "restored", former["manifest_sha256"])]
    assert texts(world) == rows and await answers(world) == before


async def test_a_mark_that_says_that_the_rows_are_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger need not know of the restore: it may be elsewhere, or have been put back."""
    await older(world)
    await ask(world)
    [message] = world.service.messages()
    hand_over = handing_over.hand_over

    async def restored_first(*given: Any) -> None:
        world.service.execute("update archival_marks.stand_in set kind = 'restored'")
        await hand_over(*given)

    monkeypatch.setattr(handing_over, "hand_over", restored_first)
    await world.service.runtime.archival_processor.process(message)
    former, new = world.jobs()
    assert (former["status"], new["status"], new["error"]["code"]) == ("removed", "failed", "not-rewritable")
    assert marks(world) == [(former["job_id"], "restored", former["manifest_sha256"])]


async def test_rows_that_are_written_otherwise_are_found_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await older(world)
    before, written = await answers(world), PartArchiver.archive

    async def otherwise(archiver: PartArchiver, *given: Any) -> Any:
        part = await written(archiver, *given)
        # the files have other rows than the copy from now on
        world.service.execute(f"update {archiver.reading.described.chunk.relation.sql} set value = 6 where value = 5")
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


async def test_an_archive_of_before_marks_changes_hands_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await older(world, before_marks=True)
    before, live = await answers(world), texts(world)
    await ask(world)
    [message] = world.service.messages()
    await kill(world, message, monkeypatch, Rewrites, "finish")
    # somebody believes that marks were lost
    await world.service.runtime.mark_rebuild.owe_all()
    if world.ledger_url:
        # the ledger does not know yet that another archive stands in
        await world.restore()
        assert texts(world) == live
    await world.reconcile()
    await world.service.runtime.archival_processor.process(message)
    check_migrated(world)
    assert await answers(world) == before
    await world.restore()
    assert texts(world) == rows


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


async def test_a_chunk_that_is_there_is_archived_anew(world: World) -> None:
    rows = await older(world, remove=False)
    [planned] = await migrate(world)
    assert planned.way is Way.ARCHIVE
    assert sorted(world.statuses()) == ["archived", "superseded"]
    await commit(world)
    assert delta_reader.count(table(world)) == JANUARY
    assert await migrate(world) == []
    assert texts(world) == rows and marks(world) == []


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
