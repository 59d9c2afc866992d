"""A hypertable whose chunks cannot be locked keeps no other hypertable from its turn, however many chunks wait."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from archival_core.clients.postgres.database import Connection
from archival_core.flows.removal import chunk_removal
from archival_core.flows.removal.chunk_proof import ChunkProof, Looked
from archival_core.model.jobs.job import Job

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

TABLE = """
create table $s.{0} (time timestamptz not null) partition by range (time);
create table $s.{0}_jan partition of $s.{0} for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.{0}_feb partition of $s.{0} for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.{0} values ('2026-01-05Z'), ('2026-02-05Z');
"""


async def test_a_report_on_one_table_holds_up_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_removal, "_BATCH", 1)
    for table in ("reported", "other"):
        service.execute(TABLE.format(table))
        for month in ("jan", "feb"):
            chunk = f"{service.schema}.{table}_{month}"
            await service.publish(hypertable=f"{service.schema}.{table}", chunk=chunk, remove=True)
        await service.work()
    with psycopg.connect(service.url) as report:
        report.execute(f"lock table {service.schema}.reported in access share mode".encode())
        found = await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    assert (found.removed, len(found.kept)) == (2, 1)


async def test_a_defect_at_one_chunk_holds_up_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    look = ChunkProof.look

    async def fails_for_january(self: ChunkProof, connection: Connection, job: Job) -> Looked:
        if job.chunk.name == "readings_jan":
            raise TypeError("a bound that is none")
        return await look(self, connection, job)

    service.execute(TABLE.format("readings"))
    for month in ("jan", "feb"):
        chunk = f"{service.schema}.readings_{month}"
        await service.publish(hypertable=f"{service.schema}.readings", chunk=chunk, remove=True)
    await service.work()
    monkeypatch.setattr(ChunkProof, "look", fails_for_january)
    found = await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    assert (found.removed, list(found.kept)) == (1, [f"{service.schema}.readings_jan"])
    assert {job["removal_error"]["code"] for job in service.jobs() if job["status"] == "archived"} == {"internal"}
