"""What no row of the ledger notes for a table of the lake: the look at all archives finds it, whatever befalls other tables."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.errors import AwayError
from archival_core.flows.tables.gathering import Gathering
from archival_core.lake.tables.snapshot import TableReader
from dev import delta_reader
from tests.acceptance.test_lake_tables import BOTH, JANUARY, MINUTE, TABLE, commit, commits, table
from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

NO_MARKS = "truncate archival_marks.stand_in, archival_marks.reading"
AN_HOUR_LATER = """
update archival.lake_table set compared_at = compared_at - interval '61 minutes';
alter table archival.job disable trigger user;
update archival.job set finished_at = finished_at - interval '61 minutes';
alter table archival.job enable trigger user;
"""


@pytest.mark.parametrize("found_by", ["reconcile", "a person"])
async def test_the_first_archive_of_a_table(service: Service, found_by: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    service.execute("delete from archival.table_due")
    if found_by == "reconcile":
        service.execute(AN_HOUR_LATER)
        assert (await service.runtime.reconciler.reconcile(MINUTE)).failed == {}
    else:
        await service.runtime.table_upkeep.rebuild(f"{service.schema}.readings")
    assert delta_reader.count(table(service)) == JANUARY


async def test_marks_that_were_lost_and_are_written_again(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    await archive(service, "feb", remove=False)
    await commit(service)
    assert (await remove(service)).removed == 1
    service.execute(NO_MARKS)
    service.execute(AN_HOUR_LATER)
    await service.runtime.reconciler.reconcile(MINUTE)
    assert delta_reader.count(table(service)) == 0, "nothing tells what stands in for rows"
    await service.runtime.mark_rebuild.owe_all()
    assert (await service.runtime.reconciler.reconcile(MINUTE)).marks.written == 1
    await commit(service)
    assert delta_reader.count(table(service)) == JANUARY


async def test_marks_that_come_back_after_the_log_was_made_anew_without_them(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    await commit(service)
    assert (await remove(service)).removed == 1
    service.execute("create table marks as select * from archival_marks.stand_in")
    service.execute(NO_MARKS)
    assert (await service.runtime.table_upkeep.rebuild(f"{service.schema}.readings")).archives == 0
    # as from a backup, without any word to the ledger
    service.execute("insert into archival_marks.stand_in select * from marks; drop table marks")
    service.execute(AN_HOUR_LATER)
    assert (await service.runtime.reconciler.reconcile(MINUTE)).failed == {}
    assert delta_reader.count(table(service)) == JANUARY


async def test_a_table_that_cannot_be_compared_keeps_no_other_from_its_turn(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await commit(service)
    service.execute("insert into archival.lake_table (hypertable, version) values ('a.a', 0)")
    service.execute("update archival.lake_table set compared_at = '2021-01-01' where hypertable <> 'a.a'")
    snapshot = TableReader.snapshot

    async def unreadable(reader: TableReader, folder: str) -> Any:
        if folder == "tables/a.a":
            raise AwayError("the lake did not answer", code="lake-unavailable", dependency="lake")
        return await snapshot(reader, folder)

    monkeypatch.setattr(TableReader, "snapshot", unreadable)
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert report.failed == {"the table of a.a": "the lake did not answer"}
    [(compared,)] = service.rows(
        "select compared_at > now() - interval '1 minute' from archival.lake_table where hypertable <> 'a.a'"
    )
    assert compared


async def test_a_clock_that_went_back_suspends_no_comparison(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    service.execute("update archival.lake_table set compared_at = now() + interval '1 day'")
    await service.runtime.reconciler.reconcile(MINUTE)
    assert service.rows("select compared_at <= now() from archival.lake_table") == [(True,)]


async def test_committers_that_have_waited_for_each_other_look_at_nothing_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    await archive(service, "feb", remove=False)

    async def refused(*_: object) -> None:
        raise AssertionError("all archives of the table are looked at")

    monkeypatch.setattr(Gathering, "whole", refused)
    hypertable = f"{service.schema}.readings"
    await asyncio.gather(*(service.runtime.table_commits.commit(hypertable, wait=True) for _ in range(4)))
    assert delta_reader.count(table(service)) == BOTH
    assert len(commits(service)) == 2


async def test_no_chunk_goes_while_no_engine_can_read_its_table(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    await archive(service, "feb", remove=True)
    await commit(service)
    first = commits(service)[0]
    content = first.read_bytes()
    first.write_text("no commit")
    service.execute(AN_HOUR_LATER)
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert "cannot be read" in report.failed[f"the table of {service.schema}.readings"]
    [state] = [one for one in await service.runtime.table_upkeep.states() if one.finding is not None]
    assert state.finding is not None and state.finding["code"] == "table-log-damaged"
    assert (await remove(service)).removed == 0
    [told] = [job["removal_error"] for job in service.jobs() if job["removal_error"]]
    assert told["code"] == "table-log-damaged"
    assert "archival tables rebuild" in told["message"]
    # the next run sees that it was mended; it need not wait for an hour
    first.write_bytes(content)
    assert (await service.runtime.reconciler.reconcile(MINUTE)).failed == {}
    assert (await remove(service)).removed == 1
