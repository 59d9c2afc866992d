"""A ledger in a database that is not in UTF8: what it cannot hold is refused by itself, and every failure is recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

from tests.acceptance.api_client import api_client
from tests.acceptance.conftest import open_service
from tests.acceptance.test_odd_settings import odd_server

if TYPE_CHECKING:
    from dev.lake_emulator import Emulator
    from tests.acceptance.conftest import Service

    #: and a connection to its ledger
    Opened = tuple[Service, psycopg.Connection[Any]]

TABLE = """
create table data."{0}" (time timestamptz not null, note text) partition by range (time);
create table data."{0} 1" partition of data."{0}" for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into data."{0}" values ('2026-01-02Z', '漢字 …')
"""


@pytest.fixture
async def opened(
    request: pytest.FixtureRequest,
    source_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Opened]:
    """A service whose source is in UTF8 and whose ledger is not."""
    source, ledger = (f"{name}_{uuid4().hex[:8]}" for name in ("source", "ledger"))
    with (
        odd_server(source_database_url, [source], "UTF8") as odd,
        odd_server(source_database_url, [ledger], request.param) as other,
    ):
        monkeypatch.setenv("LEDGER_DATABASE_URL", other.url(ledger))
        with odd.admin(source) as admin, other.admin(ledger) as jobs:
            admin.execute(f"create schema data authorization {odd.role}".encode())
            admin.execute(f"set role {odd.role}".encode())
            running = open_service(odd.url(source), redis_url, storage_connection, emulator, monkeypatch, schema="data")
            async for service in running:
                service.admin = admin
                yield service, jobs


def outcomes(ledger: psycopg.Connection[Any]) -> dict[str, tuple[str, str | None]]:
    query = "select hypertable, status, error ->> 'message' from archival.job"
    return {hypertable: (status, said) for hypertable, status, said in ledger.execute(query).fetchall()}


@pytest.mark.parametrize(
    ("opened", "kept", "lacking"),
    [("LATIN1", "Größe", "測定"), ("WIN1251", "Размер", "測定"), ("EUC_JP", "測定", "한국")],
    indirect=["opened"],
)
async def test_a_name_that_the_ledger_lacks_keeps_no_other_from_its_job(opened: Opened, kept: str, lacking: str) -> None:
    service, ledger = opened
    for name in (kept, lacking):
        service.execute(TABLE.format(name))
        await service.publish(hypertable=f"data.{name}", chunk=f"data.{name} 1")
    await service.work()
    assert outcomes(ledger) == {f"data.{kept}": ("archived", None)}
    # at once: no later delivery would find another ledger
    [dead] = await service.results("DEAD_STREAM")
    assert dead["dead.reason"].startswith("not-in-encoding: ")
    assert json.loads(dead["event"])["data"]["hypertable"] == f"data.{lacking}"
    async with api_client() as client:
        answer = await client.post("/archives", json={"hypertable": f"data.{lacking}", "chunk": f"data.{lacking} 1"})
        assert (answer.status_code, answer.json()["code"]) == (422, "not-in-encoding")
        assert (await client.get("/jobs", params={"hypertable": f"data.{lacking}"})).status_code == 422


@pytest.mark.parametrize(
    ("opened", "said"),
    [
        ("LATIN1", "'\\u6642\\u9593\\u2026 Größe'"),
        ("WIN1251", "'\\u6642\\u9593… Gr\\xf6\\xdfe'"),
        ("KOI8R", "'\\u6642\\u9593\\u2026 Gr\\xf6\\xdfe'"),
        ("SQL_ASCII", "'時間… Größe'"),
    ],
    indirect=["opened"],
)
async def test_a_failure_is_recorded_whatever_its_letters(opened: Opened, said: str) -> None:
    service, ledger = opened
    service.execute('create table data.t ("時間… Größe" text) partition by range ("時間… Größe")')
    await service.publish(hypertable="data.t", chunk="data.t1")
    await service.work()
    [(status, message)] = outcomes(ledger).values()
    assert status == "failed"
    assert said in str(message)


@pytest.mark.parametrize("opened", ["SQL_ASCII"], indirect=True)
async def test_a_ledger_in_no_encoding_holds_every_name(opened: Opened) -> None:
    service, ledger = opened
    service.execute(TABLE.format("Größe 測定"))
    await service.publish(hypertable="data.Größe 測定", chunk="data.Größe 測定 1")
    await service.work()
    assert [*outcomes(ledger).values()] == [("archived", None)]
    async with api_client() as client:
        [job] = (await client.get("/jobs")).raise_for_status().json()["jobs"]
    assert job["chunk"] == 'data."Größe 測定 1"'
