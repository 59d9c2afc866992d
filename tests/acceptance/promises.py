"""A table, its archives and what is published of them, for the tests of the promise."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow.dataset as ds

from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


MINUTE = timedelta(minutes=1)


TABLE = """
create table $s.readings (time timestamptz not null, a bigint, b bigint) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, extract(epoch from t)::bigint, 1
from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""


async def archive(service: Service, chunk: str, **wish: Any) -> None:
    wish = {"remove": True} | wish
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", **wish)
    await service.work()


async def remove(service: Service) -> Any:
    service.execute("update archival.job set finished_at = finished_at - interval '2 days', removal_tried_at = null")
    return await service.runtime.chunk_removal.remove_due(MINUTE)


async def restore(service: Service, chunk: str | None = None) -> list[str]:
    table = Relation(service.schema, "readings")
    named = Relation(service.schema, chunk) if chunk else None
    request = RestoreRequest(table, named, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test")
    await service.runtime.restore_requests.request(request)
    return await service.restore()


def jobs(service: Service) -> list[dict[str, Any]]:
    return [job for job in service.jobs() if job["kind"] == "archive"]


def statuses(service: Service) -> list[str]:
    return [job["status"] for job in jobs(service)]


def refusal(service: Service) -> str:
    return str(jobs(service)[0]["removal_error"]["code"])


def rows(service: Service, table: str = "readings") -> list[tuple[Any, ...]]:
    return sorted(service.rows(f"select * from $s.{table}"))


def published(service: Service) -> list[tuple[Any, ...]]:
    folder = service.lake / "tables" / f"{service.schema}.readings"
    found = ds.dataset(folder, format="parquet").to_table().to_pylist() if folder.exists() else []
    return sorted((row["time"], row["a"], row["b"]) for row in found)
