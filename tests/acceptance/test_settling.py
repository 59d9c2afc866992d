"""Archives whose table is gone and whose rows nobody can tell about: they are listed, and a person settles them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from archival_core.flows.upkeep.missing_tables import former_servers
from tests.acceptance.api_client import api_client
from tests.acceptance.lineages import MINUTE, published
from tests.acceptance.test_cli import CommandLine, cli
from tests.acceptance.test_former_servers import ANOTHER, DUMPED, LATE, RENAMED, REPLAYED, compared_here, move
from tests.acceptance.test_marks import forged_and_adopted

__all__ = ["cli"]

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service
    from tests.kit.worlds import World

#: January and February become one partition, and somebody corrects what is in it.
MERGED = """
create table $s.both (like $s.readings including all);
insert into $s.both table $s.readings;
drop table $s.jan, $s.feb;
alter table $s.readings attach partition $s.both for values from ('2026-01-01Z') to ('2026-03-01Z')
"""
CORRECTED = "update $s.readings set note = 'corrected' where time >= '2026-01-10Z'"
#: Somebody drops January, and has a device send some of it again.
BROUGHT_AGAIN = ANOTHER + ";" + REPLAYED


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client() as opened:
        yield opened


def undecided(world: World) -> list[str]:
    """The archives that wait for a word."""
    return [str(job["job_id"]) for job in world.jobs() if (job["removal_error"] or {}).get("code") == "archive-undecided"]


def archived(world: World, archive: str) -> list[str]:
    """The rows of one archive, as the database printed them."""
    return [row for job in world.jobs() if str(job["job_id"]) == archive for row in world.rows_of(job)]


def notes(rows: list[str]) -> list[str]:
    """The notes of rows as the database printed them."""
    return sorted(row.rstrip(")").rpartition(",")[2].strip('"') for row in rows)


async def in_table(world: World) -> list[str]:
    """The notes of the rows of the table in the lake."""
    await world.service.runtime.table_commits.commit_due(MINUTE)
    return sorted(row.partition("|")[2] for row in await published(world.service))


def tried_at_once(world: World) -> None:
    with psycopg.connect(world.ledger_url or world.service.url) as ledger:
        ledger.execute("update archival.job set removal_tried_at = null")


async def settle(client: httpx.AsyncClient, archive: str, rows: str, expect: int = 200, **more: Any) -> dict[str, Any]:
    body = {"rows": rows, "reason": "I was there", **more}
    answer = await client.post(f"/jobs/{archive}/settle", json=body, headers={"x-archival-caller": "somebody"})
    assert answer.status_code == expect, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def merged(world: World) -> str:
    """January is archived, merged and corrected; the merged chunk is archived, and may not go. Returns January's archive."""
    await world.archive("jan")
    world.service.execute(MERGED)
    world.service.execute(CORRECTED)
    await world.archive("both")
    await world.reconcile()
    assert (await world.remove()).removed == 0
    [archive] = undecided(world)
    return archive


async def test_a_chunk_that_was_merged_and_corrected_goes_once_somebody_has_said_so(
    world: World, client: httpx.AsyncClient
) -> None:
    archive = await merged(world)
    before = world.live()
    listed = (await client.get("/jobs", params={"removal_error_code": "archive-undecided"})).json()["jobs"]
    assert [job["job_id"] for job in listed] == [archive]
    assert archive in listed[0]["removal_error"]["message"]
    looked = await settle(client, archive, "moved", dry_run=True)
    assert (looked["rows_there"], looked["untold"], len(undecided(world))) == ("some", None, 1)
    await settle(client, archive, "moved")
    tried_at_once(world)
    assert (await world.remove()).removed == 1
    assert await in_table(world) == notes(before)
    # what is decided is not decided again
    assert (await settle(client, archive, "moved", expect=409))["code"] == "not-undecided"


async def test_rows_that_were_dropped_and_brought_again_in_part(world: World, client: httpx.AsyncClient) -> None:
    await world.archive("jan")
    before = world.live()
    for statement in BROUGHT_AGAIN.split(";"):
        world.service.execute(statement)
    await world.reconcile()
    [archive] = undecided(world)
    assert (await settle(client, archive, "dropped", dry_run=True))["rows_there"] == "some"
    await settle(client, archive, "dropped")
    [job] = world.jobs()
    assert (job["status"], job["dropped_by"]) == ("removed", "others")
    assert set(before) <= set(world.whole())
    await world.reconcile()
    assert world.statuses() == ["removed"]


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        pytest.param([DUMPED, "update $s.readings set note = 'other'", LATE], "moved", id="every row rewritten"),
        pytest.param([ANOTHER, LATE], "dropped", id="dropped and made anew"),
        pytest.param(["drop table $s.jan"], "dropped", id="dropped"),
    ],
)
async def test_archives_of_a_former_server(world: World, client: httpx.AsyncClient, changes: list[str], rows: str) -> None:
    await world.archive("jan")
    await move(world, *changes)
    if LATE in changes:
        assert (await world.remove()).removed == 0
        await world.work()
    await world.reconcile()
    [archive] = undecided(world)
    told = await settle(client, archive, rows, dry_run=True)
    assert told["rows_there"] in ("none", None)
    whole = world.live() + (archived(world, archive) if rows == "dropped" else [])
    await settle(client, archive, rows)
    await world.reconcile()
    assert undecided(world) == []
    tried_at_once(world)
    assert (await world.remove()).removed == (1 if LATE in changes else 0)
    assert notes(whole) == sorted(notes(world.live()) + await in_table(world))


@pytest.mark.slow
async def test_rows_whose_column_has_another_type_by_now(world: World, client: httpx.AsyncClient) -> None:
    await world.archive("jan")
    await move(world, DUMPED, LATE, "alter table $s.readings alter value type real")
    assert (await world.remove()).removed == 0
    await world.work()
    await world.reconcile()
    [archive] = undecided(world)
    looked = await settle(client, archive, "moved", dry_run=True)
    assert (looked["rows_there"], "'value' was bigint and is real" in looked["untold"]) == (None, True)
    await settle(client, archive, "moved")
    tried_at_once(world)
    assert (await world.remove()).removed == 1
    await world.service.runtime.table_commits.commit_due(MINUTE)
    assert len(await published(world.service)) == 745


async def test_what_is_there_is_not_settled(world: World, client: httpx.AsyncClient) -> None:
    await world.archive("jan")
    [job] = world.jobs()
    for rows in ("moved", "dropped"):
        assert (await settle(client, str(job["job_id"]), rows, expect=409))["code"] == "not-undecided"
    await settle(client, "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10", "moved", expect=404)
    await settle(client, str(job["job_id"]), "lost", expect=422)
    assert world.statuses() == ["archived"]


@pytest.mark.own_database
async def test_an_archive_that_was_found_in_the_lake_does_not_stand_for_rows(service: Service) -> None:
    """Whoever can write to the lake could have made it up."""
    await forged_and_adopted(service)
    service.execute("drop table $s.jan")
    await service.runtime.reconciler.reconcile(MINUTE)
    archive = str(service.jobs()[0]["job_id"])
    async with api_client() as client:
        refused = await settle(client, archive, "dropped", expect=409)
        assert (refused["code"], service.jobs()[0]["status"]) == ("not-compared", "archived")
        await settle(client, archive, "moved")
    assert service.rows("select kind from archival_marks.stand_in") == [("forgotten",)]


@pytest.mark.own_database
async def test_the_command_line(service: Service, cli: CommandLine) -> None:
    await cli("archive", f"{service.schema}.readings", "--chunk", "jan", "--keep")
    await cli.work()
    service.execute(f"create table $s.some as table $s.jan limit 3; {ANOTHER}; insert into $s.readings table $s.some")
    await service.runtime.reconciler.reconcile(MINUTE)
    [job] = (await cli.json("jobs", "--not-removed", "archive-undecided"))["jobs"]
    word = ("settle", job["job_id"][:8], "--rows", "dropped", "--reason", "I dropped it")
    assert "some of the rows of" in await cli(*word, "--dry-run")
    assert "say --yes" in await cli(*word, expect=2)
    assert service.jobs()[0]["status"] == "archived"
    assert "is removed" in await cli(*word, "--yes")
    assert service.jobs()[0]["status"] == "removed"
    assert "not-undecided" in await cli(*word, "--yes", expect=1)


UNDECIDED = """update archival.job set removal_error = '{"code": "archive-undecided", "message": "", "transient": false}'"""


@pytest.mark.parametrize("is_former", [False, True])
async def test_a_word_is_not_taken_for_a_table_that_came_back(world: World, client: httpx.AsyncClient, is_former: bool) -> None:
    """The source was put back to before the chunk was dropped, and the ledger is of after that."""
    await world.archive("jan")
    if is_former:
        await move(world)
    with psycopg.connect(world.ledger_url or world.service.url) as ledger:
        ledger.execute(UNDECIDED)
    [archive] = undecided(world)
    for rows in ("moved", "dropped"):
        assert (await settle(client, archive, rows, expect=409))["code"] == "not-undecided"
    await world.reconcile()
    assert (undecided(world), world.statuses()) == ([], ["archived"])
    assert (await world.remove()).removed == 1


async def test_a_copy_of_the_service_settles_nothing(world: World, client: httpx.AsyncClient) -> None:
    await world.archive("jan")
    for statement in BROUGHT_AGAIN.split(";"):
        world.service.execute(statement)
    await world.reconcile()
    [archive] = undecided(world)
    world.disks.become_another()
    assert (await settle(client, archive, "moved", expect=409))["code"] in ("other-owner", "not-undecided")
    assert undecided(world) == [archive]


@pytest.mark.slow
async def test_each_absent_chunk_has_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that the new server gave the name of another is absent too."""
    monkeypatch.setattr(former_servers, "_DECIDED", 1)
    await world.archive("jan", "feb")
    await move(world, "drop table $s.jan", "alter table $s.feb rename to jan")
    for _ in range(8):
        await world.reconcile()
    assert len(undecided(world)) == 1


@pytest.mark.slow
async def test_a_word_is_asked_for_where_the_hypertable_was_renamed(world: World, client: httpx.AsyncClient) -> None:
    await compared_here(world)
    for statement in RENAMED.split(";"):
        world.service.execute(statement)
    await world.reconcile()
    [archive] = undecided(world)
    await settle(client, archive, "dropped", dry_run=True)


@pytest.mark.parametrize("rows", ["dropped", pytest.param("moved", marks=pytest.mark.slow)])
async def test_a_word_outlives_the_ledger(apart: World, rows: str) -> None:
    """The ledger is put back to before somebody has settled the archive."""
    await apart.archive("jan")
    for statement in BROUGHT_AGAIN.split(";"):
        apart.service.execute(statement)
    await apart.reconcile()
    [archive] = undecided(apart)
    saved = await apart.save_ledger()
    async with api_client() as client:
        await settle(client, archive, rows)
    kept = await in_table(apart)
    await apart.put_ledger_back(saved)
    await apart.reconcile()
    assert (undecided(apart), await in_table(apart), len(kept)) == ([], kept, 744 if rows == "dropped" else 0)
