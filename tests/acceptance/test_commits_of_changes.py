"""A commit of a table looks at the archives that have changed, and whatever that misses is found by a look at all of them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from archival_core.flows.tables.gathering import Gathering
from archival_core.flows.tables.log_reading import LogReading
from dev import delta_reader
from tests.acceptance.test_lake_tables import BOTH, JANUARY, MINUTE, TABLE, commit, commits, paths_in, table
from tests.kit.readings import archive, remove
from tests.kit.trips import Trips, counted

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


async def test_a_commit_looks_at_what_has_changed_and_reads_nothing_of_the_log(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    await commit(service)

    async def refused(*_: object) -> None:
        raise AssertionError("all archives of the table are looked at, or its log is read")

    monkeypatch.setattr(Gathering, "whole", refused)
    monkeypatch.setattr(LogReading, "catch_up", refused)
    asked = []
    for number in range(1, 4):
        trips = await revised(service, number)
        asked.append((trips.lake.total(), trips.postgresql))
        assert delta_reader.count(table(service)) == JANUARY + number, "the one before leaves as the next one enters"
    assert len(set(asked)) == 1, "ways to the lake and to PostgreSQL do not grow with versions"
    former = commits(service)[:-1]
    contents = [file.read_bytes() for file in former]
    for file in former:
        file.write_text("nobody reads this any more")
    await revised(service, 4)
    for file, content in zip(former, contents, strict=True):
        file.write_bytes(content)
    assert delta_reader.count(table(service)) == JANUARY + 4
    assert (await remove(service)).removed == 1
    assert (await commit(service)).committed == 0


async def revised(service: Service, number: int) -> Trips:
    """January changes, and is archived again and committed; what the commit asked for."""
    service.execute(f"insert into $s.readings values ('2026-01-05Z', {number})")
    assert (await remove(service)).removed == 0
    await service.work()
    with counted(service.emulator) as trips:
        assert (await commit(service)).committed == 1
    return trips


async def test_a_change_that_was_not_noted_is_found_by_a_look_at_all_archives(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    await archive(service, "feb", remove=False)
    service.execute("delete from archival.table_due")
    assert (await commit(service)).committed == 0
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert report.failed == {}
    assert delta_reader.count(table(service)) == BOTH


async def test_a_chunk_whose_archive_was_not_noted_goes_once_it_is_in_the_table(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    await archive(service, "feb")
    service.execute("delete from archival.table_due where folder like '%%feb%%'")
    # what else has changed tells nothing of it
    service.execute("update archival.job set history_lost = true where chunk like '%%jan'")
    report = await remove(service)
    assert (report.removed, report.kept) == (1, {})
    assert delta_reader.count(table(service)) == BOTH


async def test_after_a_log_that_was_not_where_the_ledger_left_it_all_archives_are_looked_at(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await commit(service)
    shutil.rmtree(table(service) / "_delta_log")
    # of one archive alone it is noted that it has changed
    for lost in ("true", "false"):
        service.execute(f"update archival.job set history_lost = {lost} where chunk like '%%feb'")
    await commit(service)
    assert delta_reader.count(table(service)) == BOTH


async def test_what_was_left_out_enters_when_the_table_has_columns_for_it(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await commit(service)
    for form, found in (("float", 0), ("double", 2)):
        service.execute(f"update archival.lake_column set form = '{form}' where name = 'value'")
        # of one archive alone it is noted that it has changed
        for lost in ("true", "false"):
            service.execute(f"update archival.job set history_lost = {lost} where chunk like '%%feb'")
        report = await commit(service)
        assert (len(paths_in(service)), report.left_out) == (found, 2 - found)
    assert delta_reader.count(table(service)) == BOTH
