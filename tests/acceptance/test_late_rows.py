"""People drop a chunk that is archived, and late rows of its range are archived before anybody has looked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.kit.asking import asked, queries_of
from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from archival_core.flows.upkeep.reconcile import ReconcileReport
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

JANUARY = "partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')"
TABLE = f"""
create table $s.readings (time timestamptz not null, value integer) partition by range (time);
create table $s.jan {JANUARY};
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 day') t;
"""
LATE = f"create table $s.late {JANUARY}; insert into $s.readings values ('2026-01-09Z', 9)"
ROWS = 31


async def reconcile(service: Service) -> ReconcileReport:
    return await service.runtime.reconciler.reconcile(timedelta(minutes=1))


async def count(service: Service) -> int:
    """Of the table's rows, those of the lake included."""
    answer = await asked(queries_of(service), f"select count(*) as n from {service.schema}.readings")
    [row] = answer.result.to_pylist()
    return int(row["n"])


def statuses(service: Service) -> list[tuple[str, str]]:
    return [(job["chunk"].rpartition(".")[2], job["status"]) for job in service.jobs()]


async def test_late_rows_that_are_archived_do_not_keep_what_was_dropped_undecided(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    service.execute(f"drop table $s.jan; {LATE}")
    await archive(service, "late")
    report = await reconcile(service)
    assert (report.missing_tables.removed, report.missing_tables.undecided) == (1, 0)
    assert await count(service) == ROWS + 1
    assert (await remove(service)).removed == 1
    assert statuses(service) == [("jan", "removed"), ("late", "removed")]
    assert await count(service) == ROWS + 1


async def test_late_rows_that_were_dropped_too(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    service.execute(f"drop table $s.jan; {LATE}")
    await archive(service, "late", remove=False)
    service.execute("drop table $s.late")
    report = await reconcile(service)
    assert (report.missing_tables.removed, report.missing_tables.undecided) == (2, 0)
    assert await count(service) == ROWS + 1


async def test_a_table_that_was_put_aside_and_dropped_after_another_of_its_name_was_removed(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    service.execute("alter table $s.readings detach partition $s.jan; alter table $s.jan rename to before")
    service.execute(LATE.replace("late", "jan"))
    await archive(service, "jan")
    # the name is found archived, and its rows are others: it is archived anew
    assert (await remove(service)).removed == 0
    await service.work()
    assert (await remove(service)).removed == 1
    service.execute("drop table $s.before")
    report = await reconcile(service)
    assert (report.missing_tables.removed, report.missing_tables.undecided) == (1, 0)
    assert await count(service) == ROWS + 1


async def test_a_later_archive_of_more_rows_is_compared_by_slices(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither archive is loaded whole."""
    monkeypatch.setattr("archival_core.flows.removal.trial._FEW_ROWS", 10)
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    service.execute("create table $s.aside as table $s.readings; drop table $s.jan")
    service.execute(f"create table $s.late {JANUARY}; insert into $s.readings table $s.aside")
    service.execute("insert into $s.readings values ('2026-01-09Z', 9)")
    await archive(service, "late", remove=False)
    # its archive holds rows that its table holds no more
    service.execute("delete from $s.readings where value = 1")
    report = await reconcile(service)
    assert (report.missing_tables.removed, report.missing_tables.undecided) == (0, 1)
