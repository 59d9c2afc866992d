"""Why a chunk is where it is, by the API over a real service: what it says comes true."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value bigint) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 day') t;
"""


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened


async def why(client: httpx.AsyncClient, service: Service, **query: str) -> Any:
    answer = await client.get("/chunks/why", params={"hypertable": f"{service.schema}.readings", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def step(client: httpx.AsyncClient, service: Service, chunk: str = "jan") -> dict[str, Any]:
    [found] = (await why(client, service, chunk=chunk))["chunks"]
    return dict(found["next_step"])


async def archive(service: Service, *, remove: bool | None = None) -> None:
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=remove)
    await service.work()


async def test_it_waits_for_the_grace_and_then_leaves(service: Service, client: httpx.AsyncClient) -> None:
    assert (await step(client, service))["because"] == "no-policy"
    await archive(service, remove=True)
    found = await step(client, service)
    [job] = service.jobs()
    assert (found["step"], found["because"]) == ("remove", "grace")
    assert datetime.fromisoformat(found["at"]) == job["finished_at"] + timedelta(days=1)
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 0
    service.execute("update archival.job set finished_at = finished_at - interval '2 days'")
    assert (await step(client, service))["because"] == "due"
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1
    assert (await step(client, service))["because"] == "removed"


async def test_a_refusal_is_told_with_its_remedy_and_is_tried_again_when_it_says(
    service: Service, client: httpx.AsyncClient
) -> None:
    await archive(service, remove=True)
    service.execute("update archival.job set finished_at = finished_at - interval '2 days'")
    service.execute("create view $s.v as select * from $s.jan")
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 0
    found = await step(client, service)
    assert (found["because"], found["code"]) == ("refused", "removal-blocked")
    assert f"{service.schema}.v" in found["text"]
    assert "Drop what depends on it" in found["remedy"]
    # not a moment sooner than it says, and then at once
    service.execute("drop view $s.v")
    [job] = service.jobs()
    waits = datetime.fromisoformat(found["at"]) - job["removal_tried_at"]
    service.execute(f"update archival.job set removal_tried_at = removal_tried_at - interval '{waits}' + interval '1 minute'")
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 0
    service.execute("update archival.job set removal_tried_at = removal_tried_at - interval '1 minute'")
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1


async def test_a_policy_says_when(service: Service, client: httpx.AsyncClient) -> None:
    age = "P36500D"
    body = {"archive_after": age, "remove_after": None, "enabled": True, "dropped_by_others": "keep"}
    assert (await client.put(f"/policies/{service.schema}.readings", json=body)).status_code == 201
    found = await step(client, service)
    assert (found["because"], found["at"]) == ("not-due", "2126-01-08T00:00:00Z")
    await client.patch(f"/policies/{service.schema}.readings", json={"archive_after": "P30D"})
    assert (await step(client, service))["because"] == "due"
    await client.post("/intake/pause", json={"reason": "an upgrade"})
    assert "an upgrade" in (await step(client, service))["text"]


async def test_by_time_by_bare_name_and_for_the_whole_table(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, remove=True)
    [found] = (await why(client, service, at="2026-01-15T12:00:00Z"))["chunks"]
    assert found["chunk"] == f"{service.schema}.jan"
    told = await why(client, service)
    assert {reason["because"]: reason["chunks"] for reason in told["reasons"]} == {"grace": 1, "no-policy": 1}
    assert (told["chunks"], told["jobs"], told["removal_grace"]) == ([], [], "P1D")
    one = await why(client, service, chunk="jan")
    assert [job["status"] for job in one["jobs"]] == ["archived"]
    listed = (await client.get("/chunks", params={"hypertable": f"{service.schema}.readings"})).json()["chunks"]
    assert [chunk["next_step"]["because"] for chunk in listed] == ["grace", "no-policy"]


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        ({"chunk": "jann"}, "unknown-chunk", "there are jan"),
        ({"at": "2031-01-01T00:00:00Z"}, "unknown-chunk", "no chunk and no archive covers"),
        ({"at": "7"}, "wrong-bound", "of another kind"),
        ({"at": "soon"}, "invalid-request", "RFC 3339"),
    ],
)
async def test_what_is_not_there_is_an_error_that_helps(
    service: Service, client: httpx.AsyncClient, query: dict[str, str], code: str, said: str
) -> None:
    answer = await client.get("/chunks/why", params={"hypertable": f"{service.schema}.readings", **query})
    assert (answer.json()["code"], said in answer.json()["detail"]) == (code, True), answer.text


async def decide(client: httpx.AsyncClient, service: Service, **asked: Any) -> httpx.Response:
    chunk = f"{service.schema}.jan"
    return await client.post("/chunks/removal", json={"hypertable": f"{service.schema}.readings", "chunk": chunk, **asked})


async def test_a_person_decides_about_one_chunk(service: Service, client: httpx.AsyncClient) -> None:
    assert (await decide(client, service, remove=True)).json()["code"] == "no-archive"
    await archive(service)
    service.execute("update archival.job set finished_at = finished_at - interval '2 days'")
    looked = (await decide(client, service, remove=True, dry_run=True)).json()
    assert (looked["chunk"]["next_step"]["because"], looked["refusal"]) == ("due", None)
    # a look decides nothing
    assert (await step(client, service))["because"] == "kept-by-default"
    assert (await decide(client, service, remove=False)).json()["chunk"]["next_step"]["because"] == "kept-by-request"
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 0
    assert (await decide(client, service, remove=True)).json()["chunk"]["next_step"]["because"] == "due"
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1


async def test_a_look_at_a_removal_says_why_it_would_be_refused(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service)
    service.execute("insert into $s.readings values ('2026-01-02Z', 2)")
    looked = (await decide(client, service, remove=True, dry_run=True)).json()
    assert "changed" in looked["refusal"]


async def test_a_policy_is_looked_at_as_a_whole(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service)
    service.execute("update archival.job set finished_at = finished_at - interval '2 days'")
    asked = {"hypertable": f"{service.schema}.readings", "archive_after": "P30D", "remove_after": "P60D", "limit": 1}
    found = (await client.post("/policies/preview", json=asked)).json()["at_once"]
    assert (found["archive"]["chunks"], found["remove"]["chunks"]) == (1, 1)
    assert found["archive"]["bytes"] > 0 and found["remove"]["bytes"] > 0
    kept = (await client.post("/policies/preview", json={**asked, "remove_after": None})).json()["at_once"]
    assert kept["remove"]["chunks"] == 0
    assert (await client.post("/policies/preview", json={**asked, "remove_after": "P1D"})).json()["code"] == "invalid-policy"
