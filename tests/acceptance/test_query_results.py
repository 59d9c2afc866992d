"""Large and slow results are files in the lake for a while, fetched in pieces, called off and swept."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pyarrow.parquet as pq
import pytest

from archival_core.lake.paths import result_id
from archival_core.query import results
from archival_core.query.question.limits import Limits
from tests.acceptance.api_client import api_client
from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

_NUMBER = UUID(int=7)
_SMALL: dict[str, Any] = {"limits": Limits(), "kept": timedelta(hours=1)}
SLOW = "select count(*) from range(10000000000) a, range(100) b"


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY_ROLE", "postgres")
    monkeypatch.setenv("QUERY_ROWS", "10")


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute("create table $s.plain as select i as n, 'row ' || i as t from generate_series(1, 500000) i")
    async with api_client() as opened:
        yield opened


async def _begun(client: httpx.AsyncClient, sql: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/queries/results", json={"sql": sql, **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"].endswith(answer.json()["id"])
    found: dict[str, Any] = answer.json()
    return found


async def _done(client: httpx.AsyncClient, state: dict[str, Any]) -> dict[str, Any]:
    while state["status"] == "running":
        await asyncio.sleep(0.1)
        state = (await client.get(f"/queries/{state['id']}")).json()
    return state


async def test_a_result_is_written_and_fetched_in_pieces(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PIECE", 256 * 1024)
    for form in ("parquet", "csv"):
        state = await _done(client, await _begun(client, f"select * from {service.schema}.plain order by n", form=form))
        assert (state["status"], state["rows"], state["cut"]) == ("done", 500_000, None)
        assert state["columns"][0] == {"name": "n", "type": "INTEGER"}
        content = b""
        while piece := (await client.get(f"/queries/{state['id']}/rows", params={"offset": len(content)})).content:
            assert len(piece) <= 256 * 1024
            content += piece
        assert len(content) == state["bytes"] > 512 * 1024
        assert (service.lake / state["path"]).read_bytes() == content
        if form == "parquet":
            assert pq.read_table(io.BytesIO(content)).column("n").to_pylist() == list(range(1, 500_001))
        else:
            assert content.count(b"\r\n") == 500_001
        assert (await client.delete(f"/queries/{state['id']}")).status_code == 204
        assert not (service.lake / state["path"]).parent.exists()
        gone = await client.get(f"/queries/{state['id']}")
        assert (gone.status_code, gone.json()["code"]) == (404, "result-not-found")


async def test_mistakes_are_told_at_once_and_limits_are_said(client: httpx.AsyncClient, service: Service) -> None:
    for sql, code in (("select * from nowhere", "unknown-table"), ("drop table x", "query-refused")):
        answer = await client.post("/queries/results", json={"sql": sql})
        if answer.status_code == 202:  # a busy machine takes longer than the answer waits
            assert (await _done(client, answer.json()))["error_code"] == code
            assert (await client.delete(f"/queries/{answer.json()['id']}")).status_code == 204
            continue
        assert answer.json()["code"] == code
        assert not list((service.lake / "results").glob("*/*"))
    for strange in ("a", "../owner.json", "20260101T000000Z-" + "0" * 32):
        assert (await client.get(f"/queries/{strange}")).status_code == 404


@pytest.mark.parametrize(("setting", "limit"), [("QUERY_RESULT_MIB", "1"), ("QUERY_RESULT_SECONDS", "4")])
class TestAtAnEnd:
    @pytest.fixture(autouse=True)
    def short(self, reader: None, setting: str, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(setting, limit)

    async def test_time_and_bytes_are_limited(self, client: httpx.AsyncClient, service: Service, setting: str) -> None:
        if setting == "QUERY_RESULT_MIB":
            state = await _done(client, await _begun(client, f"select * from {service.schema}.plain"))
            assert (state["status"], state["cut"]) == ("done", "bytes")
            assert 0 < state["rows"] < 500_000
            return
        state = await _done(client, await _begun(client, SLOW))
        assert (state["status"], state["error_code"]) == ("failed", "query-time")
        refused = await client.get(f"/queries/{state['id']}/rows")
        assert (refused.status_code, refused.json()["code"]) == (409, "result-not-done")


async def test_what_has_no_answer_yet_is_called_off_by_the_id_of_its_question(
    client: httpx.AsyncClient, service: Service
) -> None:
    for path in ("/queries", "/queries/results"):
        question = UUID(int=11)
        asking = asyncio.create_task(client.post(path, json={"sql": SLOW, "id": str(question)}))
        begun = time.monotonic()
        while (await client.delete(f"/queries/{question}")).status_code != 204:
            assert time.monotonic() - begun < 20
            await asyncio.sleep(0.1)
        answer = await asyncio.wait_for(asking, 10)
        if path == "/queries":
            assert (answer.status_code, answer.json()["code"]) == (409, "query-called-off")
        assert (await client.delete(f"/queries/{question}")).status_code == 404
        # it has left its turn to others, and nothing in the lake
        assert (await client.post("/queries", json={"sql": "select 1 as n"})).json()["rows"] == [[1]]
        assert not list((service.lake / "results").glob("*/rows.*"))


async def test_a_question_is_called_off_by_whichever_instance(client: httpx.AsyncClient, service: Service) -> None:
    state = await _begun(client, SLOW)
    assert state["status"] == "running"
    assert (await client.delete(f"/queries/{state['id']}")).status_code == 204
    assert (await client.get(f"/queries/{state['id']}")).status_code == 404
    state = await _begun(client, SLOW)
    # another instance has nothing but the lake
    other = results.Results(service.runtime.queries, service.runtime.lake, service.runtime.ownership.check, **_SMALL)
    await other.cancel(state["id"])
    while (await client.get(f"/queries/{state['id']}")).status_code != 404:
        await asyncio.sleep(0.2)
    assert not (service.lake / state["path"]).parent.exists()


_INSTANCE = """
import asyncio, sys
from archival_core import runtime
from archival_core.query import results

results._BEAT_SECONDS = results._LOOK_SECONDS = 0.2

async def main():
    print((await runtime.get().results.begin(sys.argv[1], "parquet")).id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_a_result_whose_instance_was_killed_is_said_to_be_lost(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of another instance: as long as the first one lives the result is on its way, and then soon no more."""
    silent_for = 3
    monkeypatch.setattr(results, "_SILENT_FOR", timedelta(seconds=silent_for))
    instance = await asyncio.create_subprocess_exec(sys.executable, "-c", _INSTANCE, SLOW, stdout=asyncio.subprocess.PIPE)
    try:
        assert instance.stdout is not None
        address = f"/queries/{(await instance.stdout.readline()).decode().strip()}"
        begun = time.monotonic()
        while time.monotonic() - begun < 2 * silent_for:
            assert (await client.get(address)).json()["status"] == "running"
            await asyncio.sleep(0.2)
    finally:
        instance.kill()
        await instance.wait()
    killed = time.monotonic()
    while (lost := (await client.get(address)).json())["status"] == "running":
        await asyncio.sleep(0.1)
    assert time.monotonic() - killed < 2 * silent_for
    assert (lost["status"], lost["error_code"]) == ("failed", "result-lost")
    assert "ask again" in lost["error"]
    refused = await client.get(f"{address}/rows")
    assert (refused.status_code, refused.json()["code"]) == (409, "result-not-done")
    assert (await client.delete(address)).status_code == 204
    assert not (service.lake / lost["path"]).parent.exists()


def test_an_instance_that_has_ended_is_noticed_within_a_minute_and_not_too_early() -> None:
    assert timedelta(minutes=1) >= results._SILENT_FOR
    # some notes may be lost, or late
    assert results._SILENT_FOR.total_seconds() > 3 * (results._BEAT_SECONDS + results._LOOK_SECONDS)


async def test_an_instance_that_closes_says_so_itself(client: httpx.AsyncClient, service: Service) -> None:
    state = await _begun(client, SLOW)
    await service.runtime.results.close()
    lost = (await client.get(f"/queries/{state['id']}")).json()
    assert (lost["status"], lost["error_code"]) == ("failed", "result-lost")


async def test_what_has_expired_is_swept_and_nothing_else(service: Service) -> None:
    await service.runtime.lake.ensure_filesystem()
    now = datetime.now(UTC)
    old, new = (result_id(now + timedelta(hours=hours), _NUMBER) for hours in (-1, 1))
    for name in (old, new, "somebody's"):
        await service.runtime.lake.create_file(f"results/{name}/rows.parquet")
    assert (await service.runtime.reconciler.reconcile(timedelta(minutes=1))).swept == 1
    assert sorted(found.name for found in (service.lake / "results").iterdir()) == sorted([new, "somebody's"])
    # what lies there is nobody's archive, and no stray
    assert (await service.runtime.reconciler.reconcile(timedelta(minutes=1))).adoption.strays == {}
