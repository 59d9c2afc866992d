"""A table that was dropped and made again under its name: answers say that archives of the former one are no part of them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from archival_core.errors import AwayError
from archival_core.model.chunks.chunk import Relation
from tests.acceptance.api_client import api_client
from tests.acceptance.conftest import Service
from tests.acceptance.test_cli import CommandLine, cli
from tests.acceptance.test_query_tables import TABLE, remove

__all__ = ["cli"]

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY_ROLE", "postgres")


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened


def made_again(chunks: str = "new") -> str:
    return "drop table $s.readings;" + re.sub(r"\$s\.(jan|feb|mar)", rf"$s.{chunks}_\1", TABLE)


async def _asked(client: httpx.AsyncClient, sql: str, accept: str = "application/json", **more: Any) -> httpx.Response:
    answer = await client.post("/queries", json={"sql": sql, **more}, headers={"accept": accept})
    assert answer.status_code == 200, answer.text
    return answer


async def _notes(client: httpx.AsyncClient, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await _asked(client, f"select count(*) from {table}")).json()["notes"]
    return found


async def test_an_answer_says_that_archives_of_a_former_table_are_no_part_of_it(
    client: httpx.AsyncClient, service: Service
) -> None:
    table, begun = f"{service.schema}.readings", datetime.now(UTC).replace(microsecond=0)
    await remove(service, "readings", "jan", "feb")
    count = f"select count(*) as n from {table}"
    found = (await _asked(client, count)).json()
    assert (found["rows"], found["notes"]) == ([[90]], [])

    service.execute(made_again())
    found = (await _asked(client, count)).json()
    assert (found["rows"], found["figures"]["archives"]) == ([[90]], 0)
    [note] = found["notes"]
    assert {name: note[name] for name in ("code", "hypertable", "archives")} == {
        "code": "former-table",
        "hypertable": table,
        "archives": 2,
    }
    told = re.search(rf"2 archives of a former table {table}, which was dropped after (\S+), are not part of", note["message"])
    assert told is not None, note["message"]
    assert begun <= datetime.fromisoformat(told[1]) <= datetime.now(UTC)
    assert (await _asked(client, count, explain=True)).json()["notes"] == [note]
    for media in ("text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"):
        assert json.loads((await _asked(client, count, media)).headers["archival-query-notes"]) == [note]

    # a large result says it too
    state = (await client.post("/queries/results", json={"sql": count})).json()
    while state["status"] == "running":
        state = (await client.get(f"/queries/{state['id']}")).json()
    assert (state["status"], state["notes"]) == ("done", [note])

    # archives of the table that is there now change nothing about those of the former one
    await remove(service, "readings", "new_mar")
    found = (await _asked(client, count)).json()
    assert (found["rows"], found["figures"]["archives"], found["notes"]) == ([[90]], 1, [note])

    # and what is advised brings rows back that can be asked
    [chunk, into] = re.findall(r"--chunk (\S+) --into (\w+)", note["message"])[0]
    assert into == "TABLE"
    wish = {"hypertable": table, "chunk": chunk, "into": f"{service.schema}.former"}
    assert (await client.post("/restores", json=wish)).status_code == 202
    await service.restore()
    rows = (await _asked(client, f"select count(*) from {service.schema}.former")).json()["rows"]
    assert rows in ([[31]], [[28]])


async def test_a_plain_table_under_the_name_says_so_too_and_no_other_does(client: httpx.AsyncClient, service: Service) -> None:
    table = f"{service.schema}.readings"
    await remove(service, "readings", "jan")
    service.execute("create table $s.devices as select 1 as n")
    assert await _notes(client, f"{service.schema}.devices") == []
    service.execute("drop table $s.readings; create table $s.readings as select 1 as n")
    [note] = await _notes(client, table)
    assert "1 archive of a former table" in note["message"]
    assert await _notes(client, f"{service.schema}.devices") == []
    # once for each table of a question
    joined = f"{table} a join {service.schema}.devices b using (n) join {table} c using (n)"
    assert await _notes(client, joined) == [note]


async def test_a_table_that_was_renamed_is_no_former_one(client: httpx.AsyncClient, service: Service) -> None:
    await remove(service, "readings", "jan")
    service.execute("alter table $s.readings rename to measured")
    service.execute(re.sub(r"\$s\.(jan|feb|mar)", r"$s.new_\1", TABLE))
    for table in ("measured", "readings"):
        assert await _notes(client, f"{service.schema}.{table}") == []
    # its archives are nobody's once it is dropped, and their name is that of the other one
    service.execute("drop table $s.measured")
    assert len(await _notes(client, f"{service.schema}.readings")) == 1


async def test_a_table_that_others_dropped_with_its_chunks_is_told_about_the_time(
    client: httpx.AsyncClient, service: Service
) -> None:
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan")
    await service.work()
    service.execute("drop table $s.readings")
    await service.runtime.reconciler.reconcile(timedelta(minutes=1))
    service.execute(TABLE)
    [note] = await _notes(client, f"{service.schema}.readings")
    assert "which was dropped about " in note["message"]


async def test_the_list_of_tables_says_it_of_a_table_and_needs_no_source_for_the_rest(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"{service.schema}.readings"
    await remove(service, "readings", "jan")
    assert (await client.get("/tables", params={"hypertable": table})).json()["tables"][0]["notes"] == []
    service.execute(made_again())
    [found] = (await client.get("/tables", params={"hypertable": table})).json()["tables"]
    assert (found["hypertable"], found["notes"][0]["archives"]) == (table, 1)
    assert [one["notes"] for one in (await client.get("/tables")).json()["tables"]] == [None]
    assert (await client.get("/tables", params={"hypertable": f"{table}s"})).json()["tables"] == []

    async def away(_: Relation) -> None:
        raise AwayError("the source is away", code="database", dependency="source")

    monkeypatch.setattr(service.runtime.former_tables, "note", away)
    assert (await client.get("/tables", params={"hypertable": table})).json()["tables"][0]["notes"] is None


@pytest.mark.slow
async def test_the_command_line_says_it_beside_the_answer(service: Service, cli: CommandLine) -> None:
    table = f"{service.schema}.readings"
    await service.publish(hypertable=table, chunk=f"{service.schema}.jan", remove=True)
    await cli.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    service.execute("drop table $s.readings")
    service.execute(TABLE)
    sql = f"select count(*) as n from {table}"
    assert (await cli.json("sql", sql))["notes"][0]["code"] == "former-table"
    said = f"note: 1 archive of a former table {table}"
    for arguments in (
        ("sql", sql),
        ("sql", f".explain {sql}"),
        ("tables", "show", "readings"),
    ):
        told = " ".join((await cli(*arguments, merged=True)).split())
        assert told.count(said) == 1, arguments
    own: dict[str, Any] = {name: service.names[name] for name in ("SOURCE_DATABASE_URL", "LAKE_URL", "LAKE_ACCOUNT_KEY")}
    direct = json.loads(await cli.as_process("sql", sql, "--direct", "--json", **own, ARCHIVAL_API_URL=""))
    assert direct["notes"][0]["code"] == "former-table"
