"""A number that the console shows leads to a list that has so many entries: of chunks, of what is due, of failures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from archival_core.api.dashboard import dashboarding
from archival_core.flows.insight import chunk_map, insights, readiness
from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

# Eight days of one table and two of another: a policy wants all of them but the newest.
TABLES = """
create table $s.readings (time timestamptz not null, value bigint) partition by range (time);
create table $s.others (time timestamptz not null, value bigint) partition by range (time);
do $do$ begin for i in 1..8 loop
    execute format('create table $s.day_%s partition of $s.readings for values from (%L) to (%L)', i,
                   timestamptz '2026-01-01Z' + i * interval '1 day', timestamptz '2026-01-02Z' + i * interval '1 day');
end loop; end $do$;
create table $s.other_1 partition of $s.others for values from ('2026-01-01Z') to ('2026-01-02Z');
create table $s.young partition of $s.others for values from ('2126-01-01Z') to ('2126-01-02Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-02Z', '2026-01-09Z', '1 hour') t;
"""


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_GRACE", "PT0S")
    for module in (insights, chunk_map, readiness):
        monkeypatch.setattr(module, "_GOOD_FOR", 0.0)
    # on a busy machine a look takes longer, and what is told meanwhile is of before
    monkeypatch.setattr(chunk_map, "_DEADLINE", 20.0)
    monkeypatch.setattr(dashboarding, "_PATIENCE", 20.0)


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLES)
    async with api_client() as opened:
        yield opened


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(client: httpx.AsyncClient, hypertable: str, **wanted: Any) -> list[str]:
    """The chunks of a filter, by pages of two, each page with the total of all."""
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = await get(client, "/chunks", hypertable=hypertable, limit=2, **wanted, **after)
        found += [chunk["chunk"].rpartition(".")[2] for chunk in page["chunks"]]
        if page["next"] is None:
            assert page["total"] == len(found)
            return found
        after = {"cursor": page["next"]}


async def follow_policy(client: httpx.AsyncClient, hypertable: str) -> None:
    policy = {"archive_after": "P7D", "remove_after": None, "enabled": True, "dropped_by_others": "keep"}
    assert (await client.put(f"/policies/{hypertable}", json=policy)).status_code == 201


async def history(service: Service) -> str:
    """Of eight days two are removed, one is in both, one failed, one was cancelled, one is queued, two are due."""
    readings = f"{service.schema}.readings"
    for day, remove in ((1, True), (2, True), (3, False)):
        await service.publish(hypertable=readings, chunk=f"{service.schema}.day_{day}", remove=remove)
    await service.work()
    await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    for day in (4, 5, 6):
        await service.publish(hypertable=readings, chunk=f"{service.schema}.day_{day}")
    await service.runtime.event_drain.drain()
    service.execute(
        "update archival.job set status = case when chunk ~ '4$' then 'failed' else 'cancelled' end, finished_at = now(),"
        ' error = \'{"code": "internal", "message": "no"}\' where chunk ~ \'[45]$\''
    )
    return readings


async def test_each_number_of_a_hypertable_is_the_length_of_its_list(service: Service, client: httpx.AsyncClient) -> None:
    readings = await history(service)
    await follow_policy(client, readings)
    rows = (await get(client, "/dashboard/hypertables"))["hypertables"]
    row = next(one for one in rows if one["hypertable"] == readings)
    assert row["in_database"] == 6
    assert await listed(client, readings, in_database=True) == [f"day_{day}" for day in range(3, 9)]
    assert row["states"]["archived"] == 1
    assert await listed(client, readings, in_database=True, state="archived") == ["day_3"]
    assert row["states"]["removed"] == 2
    assert await listed(client, readings, in_database=False) == ["day_1", "day_2"]
    assert row["failures"] == 1
    assert (await get(client, "/jobs", hypertable=readings, status="failed", open=True))["total"] == 1
    # a failure that somebody dismissed is in neither
    [failed] = (await get(client, "/jobs", hypertable=readings, open=True))["jobs"]
    await client.post("/jobs/dismiss", json={"job_ids": [failed["job_id"]], "reason": "known"})
    rows = (await get(client, "/dashboard/hypertables"))["hypertables"]
    assert [(one["failures"], one["last_error"]) for one in rows] == [(0, None), (0, None)]
    # every reason with its chunks
    reasons = (await get(client, "/chunks/why", hypertable=readings))["reasons"]
    assert {one["because"] for one in reasons} >= {"due", "dismissed", "cancelled", "queued", "removed"}
    for one in reasons:
        code = {"code": one["example"]["next_step"]["code"]} if one["example"]["next_step"]["code"] else {}
        assert len(await listed(client, readings, because=one["because"], step=one["step"], **code)) == one["chunks"]
    assert (await get(client, "/chunks", hypertable=readings))["total"] is None


async def test_what_is_due_is_listed_over_all_hypertables(service: Service, client: httpx.AsyncClient) -> None:
    readings, others = await history(service), f"{service.schema}.others"
    for table in (readings, others):
        await follow_policy(client, table)
    for paused in (False, True):
        if paused:
            await client.post("/intake/pause", json={})
        # a chunk whose archive was cancelled waits for a person, and no policy asks for it
        assert (await get(client, "/dashboard/overview"))["backlog"]["due"] == 3
        found = await get(client, "/dashboard/due", limit=2)
        rest = await get(client, "/dashboard/due", skip=2)
        assert (found["total"], rest["total"]) == (3, 3)
        chunks = [(one["hypertable"], one["chunk"].rpartition(".")[2]) for one in (*found["chunks"], *rest["chunks"])]
        assert chunks == [(others, "other_1"), (readings, "day_7"), (readings, "day_8")]
        assert found["chunks"][0]["due_since"] == "2026-01-09T00:00:00Z"
        because = "paused" if paused else "due"
        assert await listed(client, readings, because=because, step="archive") == ["day_7", "day_8"]
    # a policy that cannot be followed wants nothing, and says why
    service.execute("update archival.policy set problem = 'no' where hypertable ~ 'others'")
    assert (await get(client, "/dashboard/due"))["total"] == 2
    # the overview tells the look that was taken last
    assert (await get(client, "/dashboard/overview"))["backlog"]["due"] == 2
