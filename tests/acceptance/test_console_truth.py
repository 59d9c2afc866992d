"""Numbers are whole, what is not known is said, and what people do leaves a line."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from archival_core.api.dashboard import dashboarding
from archival_core.flows.insight import chunk_map, insights, readiness
from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

# More failures than any list shows, older ones of another code, and one that a later job made up for.
FAILURES = """
insert into archival.job (kind, hypertable, chunk, status, settled, request_key, requested_by, requested_at, finished_at, error)
select 'archive', 'public.t' || i % 3, 'public.c' || i, 'failed', true, 'test/' || i, 'test', now() - i * interval '1 min',
       now() - i * interval '1 min',
       jsonb_build_object('code', case when i <= 200 then 'internal' else 'unknown-chunk' end, 'message', 'no ' || i,
                          'transient', i <= 200)
from generate_series(1, 300) i;
insert into archival.job (kind, hypertable, chunk, status, settled, request_key, requested_by, requested_at)
values ('archive', 'public.t1', 'public.c1', 'queued', true, 'test/again', 'test', now());
"""
# 1,000 daily partitions, the oldest of them in the lake alone
MANY = """
create table $s.readings (time timestamptz not null) partition by range (time);
do $do$ begin for i in 0..999 loop
    execute format('create table $s.readings_%s partition of $s.readings for values from (%L) to (%L)', i,
                   timestamptz '2020-01-01Z' + i * interval '1 day', timestamptz '2020-01-02Z' + i * interval '1 day');
end loop; end $do$;
"""


# Three days, each a partition of its own.
READINGS = """
create table $s.readings (time timestamptz not null) partition by range (time);
create table $s.one partition of $s.readings for values from ('2026-01-01Z') to ('2026-01-02Z');
create table $s.two partition of $s.readings for values from ('2026-01-02Z') to ('2026-01-03Z');
create table $s.three partition of $s.readings for values from ('2026-01-03Z') to ('2026-01-04Z');
"""


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (insights, chunk_map, readiness):
        monkeypatch.setattr(module, "_GOOD_FOR", 0.0)
    monkeypatch.setattr(dashboarding, "_PATIENCE", 2.0)


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client() as opened:
        assert (await opened.get("/jobs")).status_code == 200  # the ledger is there
        yield opened


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_failure_is_counted_and_can_be_listed_to_the_end(service: Service, client: httpx.AsyncClient) -> None:
    service.execute(FAILURES)
    groups = (await get(client, "/dashboard/overview"))["failures"]
    assert {group["code"]: group["jobs"] for group in groups} == {"internal": 199, "unknown-chunk": 100}
    assert [group["is_transient"] for group in groups] == [True, False]
    assert groups[1]["remedy"] and groups[0]["message"] == "no 2"
    listed, after = 0, None
    while True:
        page = await get(client, "/jobs", status="failed", open=True, limit=100, **({"cursor": after} if after else {}))
        listed, after = listed + len(page["jobs"]), page["next"]
        if after is None:
            break
    assert listed == 299
    # the badge that leads to the list says 299, and so does the list, whichever way it is narrowed
    assert page["total"] == 299
    assert (await get(client, "/jobs", open=True, error_code="unknown-chunk"))["total"] == 100
    assert (await get(client, "/jobs", open=True, hypertable="public.t2", kind="archive"))["total"] == 100
    assert (await get(client, "/jobs", open=True, status="archived"))["total"] == 0
    assert (await get(client, "/jobs", status="failed"))["total"] == 300


async def test_dismissed_failures_wait_for_nobody_until_they_fail_again(service: Service, client: httpx.AsyncClient) -> None:
    service.execute(FAILURES)
    asked = {"error_code": ["unknown-chunk"], "reason": "dropped on purpose"}
    assert (await client.post("/jobs/dismiss", json={**asked, "dry_run": True})).json()["left"] == 100
    assert (await client.post("/jobs/dismiss", json=asked)).json()["done"] == 100
    assert (await client.post("/jobs/dismiss", json=asked)).json()["passed"] == {"dismissed": 100}
    [group] = (await get(client, "/dashboard/overview"))["failures"]
    assert group["code"] == "internal"
    # whoever fails anew is seen anew
    service.execute("update archival.job set status = 'queued' where request_key = 'test/300'")
    service.execute("update archival.job set status = 'failed', finished_at = now() where request_key = 'test/300'")
    assert len((await get(client, "/dashboard/overview"))["failures"]) == 2
    entries = (await get(client, "/audit"))["entries"]
    assert [(entry["action"], entry["outcome"]) for entry in entries] == [("POST /jobs/dismiss", "done")] * 2
    assert entries[0]["asked"]["reason"] == "dropped on purpose"
    assert entries[0]["who"] == "function key"
    # the job says it too, to whoever comes after
    [job] = service.rows("select job_id from archival.job where request_key = 'test/250'")
    shown = await get(client, f"/jobs/{job[0]}")
    assert shown["dismissed"]["by"] == "function key"
    assert shown["dismissed"]["reason"] == "dropped on purpose"
    [other] = service.rows("select job_id from archival.job where request_key = 'test/2'")
    assert (await get(client, f"/jobs/{other[0]}"))["dismissed"] is None


async def test_dismissed_failures_are_listed_with_who_and_why_and_wait_again_when_that_is_undone(
    service: Service, client: httpx.AsyncClient
) -> None:
    service.execute(FAILURES)
    known = {"error_code": ["unknown-chunk"], "reason": "dropped on purpose"}
    assert (await client.post("/jobs/dismiss", json={**known, "open": True})).json()["done"] == 100
    page = await get(client, "/jobs", dismissed=True, limit=7)
    assert page["total"] == 100
    assert {job["dismissed"]["reason"] for job in page["jobs"]} == {"dropped on purpose"}
    assert {job["dismissed"]["by"] for job in page["jobs"]} == {"function key"}
    seen = list(page["jobs"])
    while page["next"]:
        page = await get(client, "/jobs", dismissed=True, limit=50, cursor=page["next"])
        seen += page["jobs"]
    assert len({job["job_id"] for job in seen}) == 100
    assert (await get(client, "/jobs", dismissed=True, error_code="internal"))["total"] == 0
    assert (await get(client, "/jobs", dismissed=True, open=True))["jobs"] == []
    # what somebody dismissed is not retried with those that wait, unless it is meant
    waiting = {"error_code": ["unknown-chunk", "internal"], "open": True, "dry_run": True}
    found = (await client.post("/jobs/retry", json=waiting)).json()
    assert found["left_by_code"] == {"internal": 199}
    one, other = seen[0]["job_id"], (await get(client, "/jobs", open=True))["jobs"][0]["job_id"]
    undone = (await client.post("/jobs/undismiss", json={"job_ids": [one, other]})).json()
    assert (undone["done"], undone["passed"]) == (1, {"not-dismissed": 1})
    assert (await get(client, f"/jobs/{one}"))["dismissed"] is None
    assert (await client.post("/jobs/undismiss", json={"all": True, "dry_run": True})).json()["left"] == 99
    assert (await client.post("/jobs/undismiss", json={"all": True})).json()["done"] == 99
    assert (await get(client, "/jobs", open=True))["total"] == 299
    assert (await get(client, "/audit", text="undismiss"))["entries"][0]["asked"] == {"all": True}


# Refused for two reasons, beside one that was brought back and one that nobody refuses.
REFUSED = """
insert into archival.job (kind, hypertable, chunk, status, settled, request_key, requested_by, requested_at, finished_at,
                          restored_at, removed_at, source_bytes, removal_error)
select 'archive', 'public.t' || i % 2, 'public.c' || i, case when i > 12 then 'removed' else 'archived' end, true, 'test/' || i,
       'test', now() - i * interval '1 min', now() - i * interval '1 min', case when i = 11 then now() end,
       case when i > 12 then now() end, 1000 * i,
       case when i < 12 then jsonb_build_object('code', case when i <= 4 then 'removal-blocked' else 'source-locked' end,
                                                'message', 'no') end
from generate_series(1, 14) i;
"""


async def test_every_refused_removal_is_in_the_list_of_its_reason(service: Service, client: httpx.AsyncClient) -> None:
    service.execute(REFUSED)
    groups = (await get(client, "/dashboard/overview"))["refusals"]
    assert {group["code"]: group["chunks"] for group in groups} == {"source-locked": 6, "removal-blocked": 4}
    first = await get(client, "/jobs", removal_error_code="source-locked", limit=4)
    rest = await get(client, "/jobs", removal_error_code="source-locked", limit=4, cursor=first["next"])
    assert (first["total"], rest["next"]) == (6, None)
    chunks = [job["chunk"] for page in (first, rest) for job in page["jobs"]]
    assert chunks == [f"public.c{number}" for number in range(5, 11)]
    both = {"removal_error_code": ["source-locked", "removal-blocked"]}
    assert (await get(client, "/jobs", **both))["total"] == 10
    assert (await get(client, "/jobs", **both, hypertable="public.t1"))["total"] == 5
    for other in ({"status": "failed"}, {"kind": "restore"}, {"open": True}):
        nothing = await get(client, "/jobs", **both, **other)
        assert (nothing["jobs"], nothing["total"]) == ([], 0)


async def test_what_was_freed_this_month_is_told_of_each_hypertable(service: Service, client: httpx.AsyncClient) -> None:
    service.execute(REFUSED)
    service.execute("select archival.count_again()")
    each = (await get(client, "/dashboard/hypertables"))["hypertables"]
    found = {one["hypertable"]: one["freed_this_month"] for one in each}
    assert (found["public.t1"], found["public.t0"]) == (13_000, 14_000)
    money = (await get(client, "/dashboard/overview"))["money"]
    assert money["freed_this_month"] == 27_000
    # what is told of each adds up to what is told of all, once
    assert sum(one["saved_this_month"] for one in each) == pytest.approx(money["saved_this_month"])
    assert money["saved_this_month"] == pytest.approx(27_000 / 1e9 * money["database_gb_month"])


async def test_what_is_brought_back_is_free_no_more_ever_or_this_month(service: Service, client: httpx.AsyncClient) -> None:
    """Freed is what is out of the database now, and this month's is a part of it."""
    service.execute(REFUSED)
    service.execute("update archival.job set removed_at = now() - interval '40 days' where request_key = 'test/14'")

    async def freed() -> list[tuple[int, int]]:
        each = (await get(client, "/dashboard/hypertables"))["hypertables"]
        overview = await get(client, "/dashboard/overview")
        found = [(one["freed_bytes"], one["freed_this_month"], one["saved_this_month"]) for one in each]
        whole = (
            overview["numbers"]["in_lake"]["source_bytes"],
            *map(overview["money"].get, ("freed_this_month", "saved_this_month")),
        )
        assert whole == pytest.approx(tuple(map(sum, zip(*found, strict=True))))
        return [(now, month) for now, month, _ in found]

    async def is_freed(*expected: tuple[int, int]) -> None:
        """As the changes add up, when they were folded, and counted anew."""
        assert await freed() == [*expected]
        await service.runtime._pool.one("fold_freed_tally")
        assert await freed() == [*expected]
        service.execute("select archival.count_again()")
        assert await freed() == [*expected]

    await is_freed((14_000, 0), (13_000, 13_000))
    # as `mark_restored` does: the moment of the removal stays
    service.execute("update archival.job set status = 'archived', restored_at = now() where request_key = 'test/13'")
    await is_freed((14_000, 0), (0, 0))
    # what goes a second time has left this month
    service.execute(
        "update archival.job set status = 'removed', restored_at = null, removed_at = now() where request_key = 'test/14'"
    )
    await is_freed((14_000, 14_000), (0, 0))
    service.execute("delete from archival.job where request_key = 'test/14'")
    service.execute("update archival.job set status = 'removed', removed_at = now() where request_key = 'test/12'")
    await is_freed((12_000, 12_000), (0, 0))


async def test_the_audit_is_searched_by_who_what_and_why(client: httpx.AsyncClient) -> None:
    for reason in ("the Zürich upgrade", "a drill"):
        await client.post("/intake/pause", json={"reason": reason})
        await client.post("/intake/resume")

    async def found(text: str) -> list[str]:
        return [entry["asked"].get("reason", entry["action"]) for entry in (await get(client, "/audit", text=text))["entries"]]

    assert await found("zürich UPGRADE") == ["the Zürich upgrade"]
    assert await found("pause") == ["a drill", "the Zürich upgrade"]
    assert len(await found("function key")) == 4
    assert await found("100%") == []
    page = await get(client, "/audit", text="pause", limit=1)
    assert [entry["asked"]["reason"] for entry in page["entries"]] == ["a drill"]
    [older] = (await get(client, "/audit", text="pause", before=page["next"]))["entries"]
    assert older["asked"]["reason"] == "the Zürich upgrade"


async def test_what_was_refused_is_in_the_audit_with_its_code(client: httpx.AsyncClient) -> None:
    unknown = "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10"
    assert (await client.post(f"/jobs/{unknown}/retry")).status_code == 404
    assert (await client.post("/jobs/retry", json={"al": True})).status_code == 422
    [entry] = (await get(client, "/audit"))["entries"]
    assert (entry["action"], entry["asked"], entry["outcome"]) == (
        "POST /jobs/{job_id}/retry",
        {"job_id": unknown},
        "unknown-job",
    )


async def test_the_map_has_every_chunk(service: Service, client: httpx.AsyncClient) -> None:
    service.execute(MANY)
    name = f"{service.schema}.readings"
    whole = await get(client, "/dashboard/chunks", hypertable=name, bins=100)
    assert (whole["total"], whole["chunks"], len(whole["bins"])) == (1000, None, 100)
    assert sum(count for one in whole["bins"] for count in one["states"].values()) == 1000
    assert (whole["first"], whole["last"]) == (1577836800.0, 1577836800.0 + 1000 * 86400)
    closer = await get(
        client, "/dashboard/chunks", hypertable=name, bins=100, **{"from": 1577836800.0, "to": 1577836800.0 + 864000}
    )
    assert (closer["total"], closer["bins"]) == (10, None)
    assert closer["chunks"][0]["range"]["start"] == "2020-01-01T00:00:00Z"
    [summary] = (await get(client, "/dashboard/hypertables"))["hypertables"]
    assert (summary["states"], summary["oldest"]) == ({"database": 1000}, "2020-01-01T00:00:00Z")


async def test_an_outage_is_told_within_3_s_with_its_cause(service: Service, client: httpx.AsyncClient) -> None:
    service.execute(FAILURES)
    before = await get(client, "/dashboard/overview")
    wrong = service.url.replace("//postgres:", "//nobody:")
    await service.runtime._pool.close()
    for database in (service.runtime._source, service.runtime._pool._database):
        database._url = wrong
    for path in ("/jobs", f"/chunks?hypertable={service.schema}.readings", "/policies", "/dashboard/overview", "/audit"):
        started = time.monotonic()
        answer = await client.get(path)
        assert time.monotonic() - started < 3, path
        if path != "/dashboard/overview":
            assert (answer.status_code, answer.json()["code"]) == (503, "database-login"), answer.text
            assert 'password authentication failed for user "nobody"' in answer.json()["detail"]
    started = time.monotonic()
    assert (await client.post("/intake/pause")).status_code == 503
    assert time.monotonic() - started < 3
    shown = await get(client, "/dashboard/overview")
    assert shown["dependencies"]["ledger"]["state"] == "failed"
    assert 'user "nobody"' in shown["dependencies"]["ledger"]["cause"]
    assert shown["dependencies"]["ledger"]["since"]
    # what is of before says so, and is not none
    away = {source["name"]: source for source in shown["away"]}
    assert away["ledger"]["as_of"] and away["lists"]["as_of"]
    assert (shown["numbers"], shown["failures"]) == (before["numbers"], before["failures"])
    anonymous = await client.get("/health/ready")
    assert "nobody" not in anonymous.text
    # and it recovers by itself
    for database in (service.runtime._source, service.runtime._pool._database):
        database._url = service.url
    assert (await client.get("/jobs")).status_code == 200
    assert (await get(client, "/dashboard/overview"))["away"] == []


async def test_a_line_of_the_audit_leads_to_the_jobs_that_it_made_or_changed(
    service: Service, client: httpx.AsyncClient
) -> None:
    service.execute(FAILURES)
    service.execute(READINGS)
    retried = (
        await client.post("/jobs/retry", json={"error_code": ["internal"], "hypertable": "public.t2", "limit": 40})
    ).json()
    assert retried["done"] == 40 and "job_ids" not in retried
    one = (await get(client, "/jobs", open=True, error_code="unknown-chunk", limit=1))["jobs"][0]["job_id"]
    await client.post("/jobs/dismiss", json={"job_ids": [one], "reason": "known"})
    await client.post("/jobs/undismiss", json={"job_ids": [one]})
    await client.post(f"/jobs/{one}/retry")
    await client.post("/jobs/cancel", json={"job_ids": [one]})
    hypertable = f"{service.schema}.readings"
    asked = (await client.post("/archives", json={"hypertable": hypertable, "older_than": "2026-01-03T00:00:00Z"})).json()
    await client.post("/intake/pause", json={})
    assert (await client.post("/jobs/retry", json={"job_ids": [one], "dry_run": True})).status_code == 200
    assert (await client.post(f"/jobs/{asked['jobs'][0]['job_id']}/retry")).status_code == 409
    entries = (await get(client, "/audit"))["entries"]
    told = [(entry["action"].rpartition("/")[2], entry["jobs"]) for entry in reversed(entries)]
    assert told == [
        *(("retry", 40), ("dismiss", 1), ("undismiss", 1), ("retry", 1), ("cancel", 1), ("archives", 2), ("pause", 0)),
        ("retry", 0),
    ]
    of = {entry["action"]: entry["entry"] for entry in entries}
    # its state since does not matter: what was retried has no error any more
    bulk = await get(client, "/jobs", audit=of["POST /jobs/retry"], limit=30)
    rest = await get(client, "/jobs", audit=of["POST /jobs/retry"], limit=30, cursor=bulk["next"])
    assert (bulk["total"], len(bulk["jobs"]) + len(rest["jobs"]), rest["next"]) == (40, 40, None)
    assert {job["hypertable"] for job in bulk["jobs"]} == {"public.t2"}
    for action in ("POST /jobs/dismiss", "POST /jobs/undismiss", "POST /jobs/cancel"):
        assert [job["job_id"] for job in (await get(client, "/jobs", audit=of[action]))["jobs"]] == [one]
    made = await get(client, "/jobs", audit=of["POST /archives"], status="queued")
    assert made["total"] == 2
    assert {job["job_id"] for job in made["jobs"]} == {job["job_id"] for job in asked["jobs"]}
    for narrowed in (
        {"status": "failed"},
        {"hypertable": "public.t1"},
        {"open": True},
        {"dismissed": True},
        {"kind": "restore"},
    ):
        nothing = await get(client, "/jobs", audit=of["POST /archives"], **narrowed)
        assert (nothing["jobs"], nothing["total"]) == ([], 0)
    assert (await get(client, "/jobs", audit=of["POST /intake/pause"]))["total"] == 0
