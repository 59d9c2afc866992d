"""Answers are compressed for who can read that, and a caller who has the answer is told so in a few bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

JOBS = """
insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by, finished_at)
select 'archive', '$s.readings', '$s.c' || i, 'cancelled', '$s' || i, 'a test', now() from generate_series(1, {}) i
"""


async def test_a_long_list_is_compressed_for_who_can_read_it(service: Service) -> None:
    await service.runtime.ledger.ping()
    service.execute(JOBS.format(300))
    asked: dict[str, str | int] = {"hypertable": f"{service.schema}.readings", "limit": 300}
    async with api_client() as client:
        plain = await client.get("/jobs", params=asked, headers={"Accept-Encoding": "identity"})
        packed = await client.get("/jobs", params=asked, headers={"Accept-Encoding": "gzip"})
        assert (await client.get("/health/live")).headers.get("content-encoding") is None, "short ones are sent as they are"
    assert plain.headers.get("content-encoding") is None
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert len(plain.json()["jobs"]) == 300
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 8
    assert {answer.headers["vary"] for answer in (plain, packed)} == {"Accept-Encoding"}
    # and is still kept by no cache
    assert packed.headers["cache-control"] == "no-store"


async def test_what_the_caller_has_is_not_sent_again(service: Service) -> None:
    await service.runtime.ledger.ping()
    service.execute(JOBS.format(2))
    asked = {"hypertable": f"{service.schema}.readings"}
    async with api_client() as client:
        first = await client.get("/jobs", params=asked)
        again = await client.get("/jobs", params=asked, headers={"If-None-Match": f'W/"other", {first.headers["etag"]}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        service.execute("update archival.job set chunk = '$s.other' where chunk = '$s.c1'")
        changed = await client.get("/jobs", params=asked, headers={"If-None-Match": first.headers["etag"]})
        assert (changed.status_code, changed.headers["etag"] != first.headers["etag"]) == (200, True)
        refused = await client.get("/jobs", params={"limit": "x"}, headers={"If-None-Match": "*"})
        assert (refused.status_code, "etag" in refused.headers) == (422, False)
