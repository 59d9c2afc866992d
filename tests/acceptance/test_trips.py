"""Requests to the lake and round trips to PostgreSQL are as many as docs/performance.md says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from archival_core.clients.postgres import pool
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.jobs.watches import giving_way
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.message import JobMessage
from dev.stack.state import ROOT
from tests.kit.readings import archive
from tests.kit.trips import Trips, counted

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t
"""
#: A lease may be renewed, and a look may find something new, once or twice.
MARGIN = 4


def said() -> dict[str, tuple[int, int]]:
    """The table of the document: requests to the lake and round trips to PostgreSQL."""
    rows = re.findall(r"^\| (archive|removal|restore) \| (\d+) \| (\d+) \|$", (ROOT / "docs/performance.md").read_text(), re.M)
    return {name: (int(lake), int(postgresql)) for name, lake, postgresql in rows}


async def test_ways_are_as_many_as_the_document_says(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    # on a machine that others use, too, a chunk takes seconds, and what is asked by the clock is asked more often
    monkeypatch.setattr(pool, "_BELIEVED_SECONDS", 600.0)
    monkeypatch.setattr(giving_way, "_LOOK_SECONDS", 600.0)
    service.execute(TABLE)
    await archive(service, "jan")
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.feb", remove=True)
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    found: dict[str, Trips] = {}
    with counted(service.emulator) as found["archive"]:
        await service.runtime.archival_processor.process(message)
    # the first of each kind makes what the second finds; the commit of the lake's table takes both archives in
    await service.runtime.chunk_removal.help(JobMessage(service.jobs()[0]["job_id"]))
    with counted(service.emulator) as found["removal"]:
        await service.runtime.chunk_removal.help(message)
    assert [job["status"] for job in service.jobs()] == ["removed", "removed"]
    first, second = await restores(service)
    await service.runtime.restore_processor.process(first)
    with counted(service.emulator) as found["restore"]:
        await service.runtime.restore_processor.process(second)
    assert [job["status"] for job in service.jobs() if job["kind"] == "restore"] == ["restored", "restored"]
    ways = {name: (trips.lake.total(), trips.postgresql) for name, trips in found.items()}
    document = said()
    assert ways.keys() == document.keys()
    for name, (lake, postgresql) in ways.items():
        assert abs(lake - document[name][0]) <= 1, (ways, found[name].lake)
        assert abs(postgresql - document[name][1]) <= MARGIN, ways


async def restores(service: Service) -> list[JobMessage]:
    wish = RestoreRequest(Relation(service.schema, "readings"), None, ChunkRange(None, None), RestoreWish(), "k", "a test")
    await service.runtime.restore_requests.request(wish)
    with QueueClient.from_connection_string(
        service.names["AzureWebJobsStorage"], service.names["RESTORE_QUEUE"], message_decode_policy=TextBase64DecodePolicy()
    ) as queue:
        return [JobMessage.from_json(message.content) for message in queue.receive_messages(messages_per_page=32)]
