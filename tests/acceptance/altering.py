"""Chunks that somebody alters while they are archived: what the tests of both kinds of source share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg

from archival_core.errors import ArchivalError
from archival_core.model.jobs.message import JobMessage
from dev.demo.comparison import compare
from dev.lake_emulator import Fault
from tests.kit.queued_ddl import Application

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

#: what an application's SELECT may wait behind an ALTER TABLE, in seconds
PATIENCE = 4.0


async def request(service: Service, *chunks: str) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=chunk)
    await service.runtime.event_drain.drain()


async def work(service: Service) -> list[str | None]:
    """One delivery for each job that waits, side by side, whenever its message would come; the codes that the ledger has
    then."""
    waiting = [job["job_id"] for job in service.jobs() if job["status"] == "queued"]

    async def deliver(job_id: Any) -> None:
        with suppress(ArchivalError):
            await service.runtime.archival_processor.process(JobMessage(job_id))

    await asyncio.gather(*map(deliver, waiting))
    return [(job["error"] or {}).get("code") for job in service.jobs() if job["job_id"] in waiting]


def slow_lake(service: Service, file: str = ".parquet") -> None:
    """From now on a block of such a file takes longer than anybody waits here."""
    service.emulator.faults.append(Fault("PATCH", f"{file}?action=append", "delay", seconds=60, times=1000))


def finished_parts(service: Service) -> dict[int, dict[str, Any]]:
    query = "select number, part from archival.part p join archival.job j using (job_id) where j.hypertable like '$s.%'"
    return dict(service.rows(query))


async def altered(
    service: Service,
    chunks: Collection[str],
    ddl: str,
    *,
    select: str = "select count(*) from $s.readings",
    sessions: int = 1,
    finished: Collection[int] = (),
) -> float:
    """Archive `chunks` of a slow lake, alter the table meanwhile, and let the lake be.

    Returns how long `select` waited behind the ALTER TABLE. `sessions` of each chunk read by then, and parts are `finished`.
    """
    archiving = asyncio.create_task(work(service))
    application = Application(service.url)
    for chunk in chunks:
        await application.until_read(chunk, sessions)
    while not finished_parts(service).keys() >= set(finished):
        await asyncio.sleep(0.05)
    waited = await application.alter(ddl.replace("$s", service.schema), select.replace("$s", service.schema))
    assert await asyncio.wait_for(archiving, 5) == ["gave-way"] * len(chunks)
    service.emulator.faults.clear()
    return waited


def assert_archived(service: Service, chunk: str) -> dict[str, Any]:
    [job] = [job for job in service.jobs() if job["chunk"] == chunk]
    assert (job["status"], job["error"]) == ("archived", None)
    folder = service.lake / job["lake_path"]
    with psycopg.connect(service.url, autocommit=True) as connection:
        assert compare(connection, chunk, folder).equal
    manifest: dict[str, Any] = json.loads((folder / "_manifest.json").read_text())
    assert sorted(file.name for file in folder.glob("*.parquet")) == [part["file"] for part in manifest["parts"]]
    assert service.files("staging") == []
    return manifest
