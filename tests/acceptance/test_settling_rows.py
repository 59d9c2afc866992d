"""What is decided about rows without anybody's word, and what a word may not do to them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from archival_core.codec import slices
from archival_core.errors import PermanentError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.removal import trial
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.flows.upkeep.missing_tables.rows_elsewhere import RowsElsewhere
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.acceptance.api_client import api_client
from tests.acceptance.reconciling import TABLE, archive, reconcile, remove, statuses

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

#: January is dropped and made anew, with what is left of its rows in `kept`.
ANEW = """
create table $s.kept as table $s.jan;
drop table $s.jan;
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings select * from $s.kept where
"""
MERGED = """
create table $s.both (like $s.readings);
insert into $s.both table $s.readings;
drop table $s.jan, $s.feb;
alter table $s.readings attach partition $s.both for values from ('2026-01-01Z') to ('2026-03-01Z')
"""
SOME = ANEW + "time < '2026-01-03Z'"
#: Where neither the first nor the last rows are.
MIDDLE = "time between '2026-01-12Z' and '2026-01-15Z'"


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices are of the first and the last rows alone, whatever chance says."""
    monkeypatch.setattr(trial, "_FEW_ROWS", 0)
    monkeypatch.setattr(slices, "SLICE_ROWS", 16)
    monkeypatch.setattr(random, "randint", lambda low, _: low)


def undecided(service: Service) -> list[str]:
    return [str(job["job_id"]) for job in service.jobs() if (job["removal_error"] or {}).get("code") == "archive-undecided"]


async def settle(client: httpx.AsyncClient, archive: str, rows: str, **more: Any) -> dict[str, Any]:
    answer = await client.post(f"/jobs/{archive}/settle", json={"rows": rows, "reason": "I was there", **more})
    return {"status": answer.status_code, **answer.json()}


@pytest.mark.usefixtures("ends")
async def test_rows_that_only_the_archive_has_keep_it(service: Service, client: httpx.AsyncClient) -> None:
    """All rows but a few came again, and are archived anew."""
    await archive(service, "jan")
    service.execute(f"{ANEW} not ({MIDDLE})")
    asked = {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.jan", "force": True}
    assert (await client.post("/archives", json=asked)).status_code == 202
    await service.work()
    for _ in range(2):
        await reconcile(service)
    assert statuses(service) == ["archived", "archived"]
    assert len(undecided(service)) == 1


@pytest.mark.usefixtures("client", "ends")
@pytest.mark.parametrize("anew", [False, True])
async def test_rows_that_are_there_are_not_gone(service: Service, anew: bool) -> None:
    """A chunk was merged, all rows but a few were corrected, and the merged chunk may be archived and gone."""
    await archive(service, "jan")
    service.execute(MERGED)
    service.execute(f"update $s.readings set value = -1 where not ({MIDDLE})")
    if anew:
        await archive(service, "both")
        service.execute("drop table $s.both")
    for _ in range(2):
        await reconcile(service)
    assert statuses(service) == (["archived", "removed"] if anew else ["archived"])
    assert len(undecided(service)) == 1


async def test_rows_that_are_all_there_were_not_dropped(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "jan")
    service.execute(SOME)
    await reconcile(service)
    [archived] = undecided(service)
    service.execute("insert into $s.readings select * from $s.kept where time >= '2026-01-03Z'")
    refused = await settle(client, archived, "dropped")
    assert (refused["status"], refused["code"], statuses(service)) == (409, "would-double", ["archived"])


async def test_a_later_archive_that_cannot_be_read_hides_no_rows_that_are_there(
    service: Service, client: httpx.AsyncClient
) -> None:
    await archive(service, "jan")
    service.execute(SOME)
    await reconcile(service)
    [archived] = undecided(service)
    service.execute("insert into $s.readings select * from $s.kept where time >= '2026-01-03Z'")
    await archive(service, "jan")
    for part in (service.lake / service.jobs()[-1]["lake_path"]).glob("*.parquet"):
        part.write_bytes(bytes(part.stat().st_size))
    looked = await settle(client, archived, "dropped", dry_run=True)
    assert (looked["rows_there"], looked["later_archive"]) == ("all", None)
    assert "does not read" in looked["untold"]
    refused = await settle(client, archived, "dropped")
    assert (refused["status"], refused["code"], statuses(service)) == (409, "would-double", ["archived", "archived"])


async def test_a_later_archive_is_told_of(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "jan")
    service.execute(MERGED)
    service.execute("update $s.readings set value = -1 where time >= '2026-01-10Z'")
    await archive(service, "both")
    service.execute("drop table $s.both")
    await reconcile(service)
    [archived] = undecided(service)
    looked = await settle(client, archived, "dropped", dry_run=True)
    assert (looked["rows_there"], looked["later_archive"]) == ("none", True)


async def test_a_chunk_of_the_name_is_archived(service: Service, client: httpx.AsyncClient) -> None:
    """The archive is of another table than the chunk, and does not stand in its way."""
    await archive(service, "jan")
    service.execute(SOME)
    await reconcile(service)
    asked = {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.jan"}
    assert (await client.post("/archives", json=asked)).status_code == 202
    await service.work()
    assert statuses(service) == ["archived", "archived"]
    await service.publish(hypertable=asked["hypertable"], older_than="2026-02-02T00:00:00Z")
    await service.work()
    assert statuses(service)[:2] == ["archived", "archived"]


async def test_what_moved_comes_back_on_request(service: Service, client: httpx.AsyncClient) -> None:
    """A word may be wrong."""
    await archive(service, "jan")
    service.execute(SOME)
    await reconcile(service)
    [archived] = undecided(service)
    assert (await settle(client, archived, "moved"))["status"] == 200
    into = RestoreWish(into=Relation(service.schema, "back"))
    await service.runtime.restore_requests.request(
        RestoreRequest(Relation(service.schema, "readings"), None, ChunkRange(None, None), into, "k", "a test")
    )
    assert await service.restore() == []
    assert service.rows("select count(*) from $s.back") == [(744,)]


async def test_what_a_person_cannot_answer_is_no_question(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise PermanentError("permission denied", code="source-permission-denied")

    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("drop table $s.jan")
    monkeypatch.setattr(RowsElsewhere, "look", refused)
    assert (await reconcile(service)).missing_tables.undecided == 1
    assert undecided(service) == []


async def test_a_restored_archive_is_listed(service: Service, client: httpx.AsyncClient) -> None:
    await archive(service, "jan")
    await remove(service)
    wish = RestoreRequest(Relation(service.schema, "readings"), None, ChunkRange(None, None), RestoreWish(), "k", "a test")
    await service.runtime.restore_requests.request(wish)
    assert await service.restore() == []
    service.execute(SOME)
    await reconcile(service)
    listed = (await client.get("/jobs", params={"removal_error_code": "archive-undecided"})).json()["jobs"]
    assert [job["job_id"] for job in listed] == undecided(service) != []
