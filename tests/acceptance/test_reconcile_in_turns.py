"""Reconcile in turns: each duty has a time of its own, and what is too much for one run goes on in the next."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from archival_core.flows.upkeep import reconcile
from archival_core.flows.upkeep.lake import adoption
from archival_core.flows.upkeep.reconcile import ReconcileReport
from archival_core.lake.client import LakehouseClient
from archival_core.lake.entries import LakePage

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.{table} (time timestamptz not null, value double precision) partition by range (time);
do $do$ begin for i in 1..5 loop
    execute format('create table $s.{table}_%s partition of $s.{table} for values from (%L) to (%L)', i,
                   timestamptz '2026-01-01Z' + (i - 1) * interval '1 day', timestamptz '2026-01-01Z' + i * interval '1 day');
end loop; end $do$;
insert into $s.{table} select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-05Z', '1 day') t;
"""


async def archived(service: Service, *tables: str) -> None:
    for table in tables:
        service.execute(TABLE.format(table=table))
        await service.publish(hypertable=f"{service.schema}.{table}", older_than="2026-02-01T00:00:00Z")
    await service.work()


def lose_rows(service: Service) -> int:
    """Every archive that is published and not recorded."""
    service.execute("delete from archival.job")
    return len([file for file in service.files("tables") if file.endswith("_manifest.json")])


async def test_a_run_goes_on_where_the_last_one_has_stopped(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await archived(service, "first", "second")
    lost = lose_rows(service)
    assert lost == 10
    monkeypatch.setattr(adoption, "_FOLDERS_A_RUN", 4)
    monkeypatch.setattr(adoption, "_PAGE", 2)
    asked: list[str | None] = []
    page = LakehouseClient.page

    async def counted(lake: LakehouseClient, path: str, after: str | None, size: int) -> LakePage:
        asked.append(after)
        return await page(lake, path, after, size)

    monkeypatch.setattr(LakehouseClient, "page", counted)
    reports = [await service.runtime.reconciler.reconcile(MINUTE) for _ in range(4)]
    assert [len(report.adoption.adopted) for report in reports] == [4, 5, 1, 0]
    assert len(service.jobs()) == lost
    # a round that has ended begins anew, and what is known is not looked at by itself
    assert asked.count(None) == 3


async def test_a_place_that_the_lake_has_forgotten_is_none(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await archived(service, "first")
    lose_rows(service)
    monkeypatch.setattr(adoption, "_FOLDERS_A_RUN", 2)
    monkeypatch.setattr(adoption, "_PAGE", 2)
    await service.runtime.reconciler.reconcile(MINUTE)
    monkeypatch.undo()
    service.execute("""update archival.round set place = jsonb_set(place, '{after}', '"not base64: *"')""")
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert (len(report.adoption.adopted), report.failed, len(service.jobs())) == (3, {}, 5)


async def test_a_stray_is_forgotten_when_a_whole_round_has_not_found_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archived(service, "first")
    stray = service.lake / f"tables/{service.schema}.first/{service.schema}.zebra"
    stray.mkdir()
    monkeypatch.setattr(adoption, "_PAGE", 2)
    await service.runtime.reconciler.reconcile(MINUTE)
    folders = "select folder from archival.stray"
    assert service.rows(folders) == [(str(stray.relative_to(service.lake)),)]
    shutil.rmtree(stray)
    monkeypatch.setattr(adoption, "_FOLDERS_A_RUN", 2)
    for _ in range(2):
        await service.runtime.reconciler.reconcile(MINUTE)
        assert len(service.rows(folders)) == 1
    await service.runtime.reconciler.reconcile(MINUTE)
    assert service.rows(folders) == []


async def test_a_duty_that_hangs_keeps_no_other_from_its_turn(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await archived(service, "first")
    service.execute("update archival.job set announced = false, finished_at = now() - interval '1 hour'")
    duties = service.runtime.reconciler

    async def hangs(report: ReconcileReport, deadline: float) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(reconcile, "_CUT_OFF_AFTER", 1.0)
    monkeypatch.setattr(duties, "_duties", (("hanging", 0.2, hangs), *duties._duties))
    report = await duties.reconcile(MINUTE)
    assert report.failed == {"hanging": "cut off after 0 s"}
    assert report.announced == 5


async def test_policies_come_first(service: Service) -> None:
    """Whatever the other duties find to do, the next chunks are asked for."""
    assert next(name for name, _, _ in service.runtime.reconciler._duties) == "policies"
