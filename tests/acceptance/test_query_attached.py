"""A copy of an archive that is made part of the archive's table: each row counts once, as a live row."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.source.state.marks import copies
from tests.acceptance import migrating
from tests.kit.asking import queries_of
from tests.kit.readings import archive, remove
from tests.kit.timescaledb import chunks, is_community

if TYPE_CHECKING:
    from archival_core.query.answer.notes import Note
    from tests.acceptance.conftest import Service
    from tests.kit.worlds import World

from tests.acceptance.test_restore_apart import JANUARY, ROWS, ask, removed, restores

__all__ = ["removed"]

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

ATTACH = f"alter table $s.readings attach partition $s.copy {JANUARY}"
DETACH = "alter table $s.readings detach partition $s.copy"
JANUARY_ROWS = 31


async def copy(service: Service, into: str = "copy") -> None:
    await ask(service, into)
    assert await service.restore() == []


async def counted(service: Service, table: str = "readings", **options: Any) -> tuple[int, int, list[Note]]:
    """Rows of the table, archives that stand in for some of them, and what is said beside."""
    sql = f"select count(*) as n from {service.schema}.{table}"
    found = await queries_of(service, **options).collected(sql, "json")
    [[rows]] = json.loads(found.body)
    return rows, found.answer.figures.archives, list(found.answer.notes)


async def reads_it(service: Service) -> bool:
    """Whether the archive of January is read, where each row is there once in any case."""
    rows, archives, notes = await counted(service)
    assert (rows, notes) == (ROWS, [])
    return archives == 1


async def test_a_copy_counts_while_it_is_attached_and_the_archive_counts_while_it_is_not(removed: Service) -> None:
    await copy(removed)
    assert await reads_it(removed)
    removed.execute(ATTACH)
    assert not await reads_it(removed)
    assert (await counted(removed, "readings where value = 1 and time < '2026-02-01'"))[:2] == (JANUARY_ROWS, 0)
    removed.execute(DETACH)
    assert await reads_it(removed)
    # its name, its schema and its columns' order are nobody's business
    removed.execute("create schema $s_2; alter table $s.copy rename to again; alter table $s.again set schema $s_2")
    try:
        removed.execute(f"alter table $s.readings attach partition $s_2.again {JANUARY}")
        assert not await reads_it(removed)
        removed.execute("drop table $s_2.again")
        assert await reads_it(removed)
    finally:
        removed.execute("drop schema $s_2 cascade")


async def test_a_copy_that_is_attached_to_another_table_is_rows_of_that_alone(removed: Service) -> None:
    await copy(removed)
    removed.execute(
        "create table $s.other (time timestamptz not null, value integer) partition by range (time);"
        f"alter table $s.other attach partition $s.copy {JANUARY}"
    )
    assert await counted(removed, "other") == (JANUARY_ROWS, 0, [])
    assert await reads_it(removed)


async def test_a_copy_in_a_tree_below(removed: Service) -> None:
    await copy(removed)
    removed.execute(
        f"create table $s.tree partition of $s.readings {JANUARY} partition by range (time);"
        f"alter table $s.tree attach partition $s.copy {JANUARY}"
    )
    assert not await reads_it(removed)


async def test_rows_that_were_changed_in_the_copy_count_as_they_are(removed: Service) -> None:
    await copy(removed)
    removed.execute("delete from $s.copy where time = '2026-01-31Z'; update $s.copy set value = 2; analyze $s.copy;" + ATTACH)
    assert await counted(removed) == (ROWS - 1, 0, [])
    assert await counted(removed, "readings where value = 2") == (JANUARY_ROWS - 1, 0, [])


async def test_two_copies_of_one_archive(removed: Service) -> None:
    await copy(removed)
    await copy(removed, "second")
    removed.execute(ATTACH)
    assert not await reads_it(removed)
    removed.execute(DETACH + f"; drop table $s.copy; alter table $s.readings attach partition $s.second {JANUARY}")
    assert not await reads_it(removed)


async def test_several_archives_in_one_copy(removed: Service) -> None:
    await archive(removed, "feb")
    assert (await remove(removed)).removed == 1
    for chunk in ("jan", "feb"):
        await ask(removed, "copy", chunk=chunk)
        assert await removed.restore() == []
    assert (await counted(removed))[:2] == (ROWS, 2)
    removed.execute("alter table $s.readings attach partition $s.copy for values from ('2026-01-01Z') to ('2026-03-01Z')")
    assert await counted(removed) == (ROWS, 0, [])


async def test_a_copy_that_was_emptied_hides_nothing(removed: Service) -> None:
    await copy(removed)
    removed.execute("truncate $s.copy;" + ATTACH)
    rows, archives, notes = await counted(removed)
    assert (rows, archives, [note.code for note in notes]) == (ROWS, 1, ["copy-in-doubt"])
    # it is a copy of what went into it since
    removed.execute(DETACH)
    await copy(removed)
    removed.execute(ATTACH)
    assert not await reads_it(removed)


async def test_a_copy_that_was_written_anew_is_in_doubt_until_a_restore_in_place(removed: Service) -> None:
    await copy(removed)
    removed.execute("vacuum full $s.copy")
    removed.execute(ATTACH)
    rows, archives, [note] = await counted(removed)
    assert (rows, archives) == (ROWS + JANUARY_ROWS, 1)
    assert (note.code, note.hypertable, note.archives) == ("copy-in-doubt", f"{removed.schema}.readings", 1)
    assert f"`archival restore {removed.schema}.readings --chunk {removed.schema}.jan`" in note.message
    await ask(removed, None)
    assert await removed.restore() == []
    assert await counted(removed) == (ROWS, 0, [])


async def test_a_copy_that_is_attached_only_in_part_is_in_doubt(removed: Service) -> None:
    removed.execute(
        "create table $s.copy (time timestamptz not null, value integer) partition by range (time);"
        "create table $s.first partition of $s.copy for values from ('2026-01-01Z') to ('2026-01-16Z');"
        "create table $s.second partition of $s.copy for values from ('2026-01-16Z') to ('2026-02-01Z');"
    )
    await copy(removed)
    removed.execute(ATTACH)
    assert not await reads_it(removed)
    removed.execute("alter table $s.copy detach partition $s.second")
    rows, archives, [note] = await counted(removed)
    assert (rows, archives, note.code) == (ROWS + 15, 1, "copy-in-doubt")


async def test_the_number_of_a_copy_that_is_another_table_s_by_now(removed: Service) -> None:
    await copy(removed)
    removed.execute(
        "drop table $s.copy; create table $s.copy (like $s.readings);"
        "update archival_marks.copy set oid = '$s.copy'::regclass::oid,"
        " file = (select relfilenode::text from pg_class where oid = '$s.copy'::regclass);" + ATTACH
    )
    assert await reads_it(removed)


async def test_notes_that_a_dump_has_brought_to_another_server(removed: Service) -> None:
    await copy(removed)
    removed.execute("update archival_marks.copy set system_identifier = '1';" + ATTACH)
    assert (await counted(removed))[:2] == (ROWS + JANUARY_ROWS, 1)
    removed.execute("update archival_marks.copy set system_identifier = ''")
    assert not await reads_it(removed)


async def test_a_source_of_before_has_no_notes_and_the_next_copy_makes_them(removed: Service) -> None:
    await copy(removed)
    removed.execute("drop table archival_marks.copy;" + ATTACH)
    assert (await counted(removed))[:2] == (ROWS + JANUARY_ROWS, 1)
    removed.execute(DETACH)
    # a copy of before that is restored into once more has all rows, and is noted
    await copy(removed)
    removed.execute(ATTACH)
    assert not await reads_it(removed)


async def test_whoever_may_read_marks_may_read_notes(removed: Service) -> None:
    role = f"Asker of {removed.schema}"
    removed.execute(f'create role "{role}"; grant select on archival_marks.stand_in to "{role}"')
    try:
        await copy(removed)
        assert removed.rows(f"select has_table_privilege('{role}', 'archival_marks.copy', 'select')") == [(True,)]
    finally:
        removed.execute(f'drop owned by "{role}"; drop role "{role}"')


async def test_a_role_that_may_write_no_marks_makes_copies_all_the_same(
    removed: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refused(_: object) -> bool:
        return False

    monkeypatch.setattr(copies, "ensure", refused)
    await copy(removed)
    assert removed.rows("select count(*) from $s.copy") == [(JANUARY_ROWS,)]
    assert "is not noted, because the service's role may not write to schema archival_marks" in caplog.text


async def test_the_role_that_reads_needs_no_right_on_the_notes(removed: Service) -> None:
    await copy(removed)
    role = f"reader_{removed.schema}"
    removed.execute(f"create role {role}; grant usage on schema $s to {role}; grant select on $s.readings to {role};" + ATTACH)
    try:
        assert await counted(removed, role=role) == (ROWS, 0, [])
    finally:
        removed.execute(f"drop owned by {role}; drop role {role}")


async def test_a_copy_that_is_attached_and_archived_again_stays_until_its_archive_is_restored(removed: Service) -> None:
    """Two archives with the same rows would stand in for them."""
    await copy(removed)
    removed.execute(ATTACH)
    await archive(removed, "copy")
    report = await remove(removed)
    assert report.removed == 0
    [refused] = report.kept.values()
    assert f"restored from the archive of {removed.schema}.jan into a table of their own" in refused
    assert removed.rows("select removal_error ->> 'code' from archival.job where chunk = '$s.copy' and kind = 'archive'") == [
        ("copy-unsettled",)
    ]
    assert not await reads_it(removed)
    await ask(removed, None)
    assert await removed.restore() == []
    assert not await reads_it(removed)
    assert (await remove(removed)).removed == 1
    assert await reads_it(removed)
    await removed.runtime.reconciler.reconcile(timedelta(minutes=1))
    assert await reads_it(removed)
    assert removed.rows("select chunk, kind from archival_marks.stand_in order by chunk") == [
        (f"{removed.schema}.copy", "removed"),
        (f"{removed.schema}.jan", "restored"),
    ]


async def test_a_copy_that_is_archived_again_and_that_others_drop_is_left_undecided(removed: Service) -> None:
    await copy(removed)
    removed.execute(ATTACH)
    await archive(removed, "copy")
    removed.execute("drop table $s.copy")
    for _ in range(2):
        report = await removed.runtime.reconciler.reconcile(timedelta(minutes=1))
        assert report.failed == {}
    # the archive that the copy was made of has its rows, and stands in for them
    assert await reads_it(removed)
    assert removed.rows("select kind from archival_marks.stand_in") == [("removed",)]


async def test_a_copy_that_another_table_archives_is_its_own(removed: Service) -> None:
    """The table was dropped and made again, and the rows of the former one are attached to it."""
    await copy(removed)
    removed.execute(
        "drop table $s.readings; create table $s.readings (time timestamptz not null, value integer) partition by range (time);"
        + ATTACH
    )
    assert (await counted(removed))[:2] == (JANUARY_ROWS, 0)
    await archive(removed, "copy")
    assert (await remove(removed)).removed == 1
    assert (await counted(removed))[:2] == (JANUARY_ROWS, 1)
    assert restores(removed) == [("restored", None)]


async def test_a_copy_of_an_archive_that_is_written_anew_is_a_copy_of_the_new_one(world: World) -> None:
    """With the ledger inside and elsewhere: the notes are in the source in any case."""
    rows = await migrating.older(world)
    whole = await migrating.answers(world)
    table, wish = Relation(world.service.schema, "readings"), RestoreWish(into=Relation(world.service.schema, "copy"))
    request = RestoreRequest(table, None, ChunkRange(None, None), wish, "a copy", "a test")
    await world.service.runtime.restore_requests.request(request)
    assert await world.service.restore() == []
    await migrating.migrate(world)
    world.service.execute(ATTACH)
    assert await migrating.answers(world) == whole
    assert migrating.texts(world) == rows


async def test_a_copy_that_becomes_a_chunk(timescaledb_service: Service) -> None:
    service = timescaledb_service
    if not service.rows("select from pg_proc where proname = 'attach_chunk'") or not is_community(service):
        pytest.skip("this TimescaleDB attaches no chunks")
    service.execute(
        "create table $s.readings (time timestamptz not null, value integer);"
        "select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '1 day');"
        "insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-02 23:00Z', '1 hour') t"
    )
    [first, _] = chunks(service)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=first, remove=True)
    await service.work()
    assert (await remove(service)).removed == 1
    wish = RestoreWish(into=Relation(service.schema, "copy"))
    table = Relation(service.schema, "readings")
    request = RestoreRequest(table, Relation.parse(first), ChunkRange(None, None), wish, "a copy", "a test")
    await service.runtime.restore_requests.request(request)
    assert await service.restore() == []
    assert await counted(service) == (48, 1, [])
    span = '{"time": ["2026-01-01Z", "2026-01-02Z"]}'
    service.execute(f"call attach_chunk('$s.readings', '$s.copy', '{span}')")
    assert await counted(service) == (48, 0, [])
    service.execute("call detach_chunk('$s.copy')")
    assert await counted(service) == (48, 1, [])
    # compression writes a chunk anew
    service.execute(f"call attach_chunk('$s.readings', '$s.copy', '{span}')")
    service.execute("alter table $s.readings set (timescaledb.compress); select compress_chunk('$s.copy')")
    rows, archives, [note] = await counted(service)
    assert (rows, archives, note.code) == (48 + 24, 1, "copy-in-doubt")
