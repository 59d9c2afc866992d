"""The dashboard's data on real servers."""

from __future__ import annotations

import re
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

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
create table $s.apr partition of $s.readings for values from ('2026-04-01Z') to (maxvalue);
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', '1 hour') t;
create table $s.counted (n bigint not null) partition by range (n);
create table $s.ten partition of $s.counted for values from (0) to (10);
create table $s."<b>" (time date not null) partition by range (time);
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_GRACE", "PT0S")
    monkeypatch.setattr(insights, "_GOOD_FOR", 0.0)
    monkeypatch.setattr(chunk_map, "_GOOD_FOR", 0.0)
    # a busy machine is no outage
    monkeypatch.setattr(dashboarding, "_PATIENCE", 20.0)
    monkeypatch.setattr(readiness, "_DEADLINE_SECONDS", 20.0)


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened


async def archive(service: Service, *chunks: str, remove: bool = False) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=remove)
    await service.work()
    await service.runtime.chunk_removal.remove_due(MINUTE)


async def get(client: httpx.AsyncClient, view: str) -> Any:
    answer = await client.get(f"/dashboard/{view}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_an_empty_service_has_a_page_too(service: Service, client: httpx.AsyncClient) -> None:
    overview = await get(client, "overview")
    assert (overview["running"], overview["failed"], overview["dead_letters"], overview["away"]) == ([], [], [], [])
    assert overview["numbers"]["archived"] == {"jobs": 0, "rows": 0, "source_bytes": 0, "parquet_bytes": 0}
    assert {found["state"] for found in overview["dependencies"].values()} == {"ok"}
    days = (await get(client, "timeline?days=7"))["days"]
    assert len(days) == 7
    assert all(day["archived"]["jobs"] == 0 and day["ratio"] is None for day in days)
    tables = (await get(client, "hypertables"))["hypertables"]
    assert [table["hypertable"] for table in tables] == sorted(
        f"{service.schema}.{name}" for name in ("<b>", "counted", "readings")
    )


async def test_chunks_are_where_their_rows_are(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "jan", remove=True)
    await archive(service, "feb")
    await archive(service, "gone")
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.mar")
    await service.runtime.event_drain.drain()
    tables = {table["hypertable"]: table for table in (await get(client, "hypertables"))["hypertables"]}
    summary = tables[f"{service.schema}.readings"]
    assert summary["states"] == {"removed": 1, "archived": 1, "archiving": 1, "database": 1}
    assert (summary["in_database"], summary["problem"], summary["last_error"]["code"]) == (3, None, "unknown-chunk")
    readings = await get(client, f"chunks?hypertable={service.schema}.readings")
    states = [(place["chunk"].rpartition(".")[2], place["state"]) for place in readings["chunks"]]
    assert states == [("jan", "removed"), ("feb", "archived"), ("mar", "archiving"), ("apr", "database")]
    assert (readings["axis"], readings["total"], readings["bins"]) == ("time", 4, None)
    [jan, feb, mar, apr] = readings["chunks"]
    assert (jan["from"], jan["to"], feb["rows"], mar["rows"]) == (1767225600.0, 1769904000.0, 672, None)
    assert (apr["range"], apr["to"]) == ({"start": "2026-04-01T00:00:00Z", "end": None}, None)
    counted = await get(client, f"chunks?hypertable={service.schema}.counted")
    assert (counted["axis"], counted["chunks"][0]["from"], counted["chunks"][0]["to"]) == ("integer", 0.0, 10.0)


async def test_failures_are_listed_until_they_are_made_up_for(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "may")
    [failed] = (await get(client, "overview"))["failed"]
    assert (failed["code"], failed["attempt"], failed["kind"]) == ("unknown-chunk", 1, "archive")
    service.execute("alter table $s.readings detach partition $s.apr")
    service.execute("create table $s.may partition of $s.readings for values from ('2026-05-01Z') to ('2026-06-01Z')")
    assert (await client.post(f"/jobs/{failed['job_id']}/retry")).status_code == 202
    await service.work()
    assert (await get(client, "overview"))["failed"] == []


async def test_the_timeline_of_one_hypertable(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "jan", "feb", remove=True)
    jobs = service.jobs()
    today = (await get(client, f"timeline?days=1&hypertable={service.schema}.readings"))["days"][0]
    assert today["archived"]["source_bytes"] == sum(job["source_bytes"] for job in jobs)
    assert today["removed"]["jobs"] == 2
    assert today["ratio"] == pytest.approx(sum(j["source_bytes"] for j in jobs) / sum(j["parquet_bytes"] for j in jobs))
    other = (await get(client, "timeline?days=1&hypertable=public.other"))["days"][0]
    assert other["archived"]["jobs"] == 0


@pytest.mark.parametrize("query", ["days=0", "days=367", "days=x", f"hypertable={'a' * 141}"])
async def test_a_wrong_question_is_told_so(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/dashboard/timeline?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def test_the_source_may_be_away(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "jan", remove=True)
    service.runtime.chunk_map._source._url = "postgresql://localhost:1/none"
    [table] = (await get(client, "hypertables"))["hypertables"]
    assert (table["in_database"], table["problem"]) == (None, "the source database does not answer")
    assert table["states"] == {"removed": 1}
    readings = await get(client, f"chunks?hypertable={service.schema}.readings")
    assert [place["state"] for place in readings["chunks"]] == ["removed"]


async def test_the_page_needs_no_data_and_no_ledger(client: httpx.AsyncClient) -> None:
    page = await client.get("/dashboard")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "trusted-types 'none'" in page.headers["content-security-policy"]
    assert (await client.get("/dashboard", headers={"If-None-Match": page.headers["etag"]})).status_code == 304
    [address] = re.findall(r'script type="module" src="([^"]+)"', page.text)
    script = await client.get(f"/{address}")
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    for name in ("nothing.js", "0/nothing.js", "0/..%2Fapp.py", "0/%2e%2e%2fapp.py"):
        assert (await client.get(f"/dashboard/static/{name}")).status_code == 404
