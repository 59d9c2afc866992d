"""Tables, archives and what is published of them, for the tests of lineage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.kit.lake_tables import files_in_tables

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


MINUTE = timedelta(minutes=1)


NATIVE = """
create table $s.readings (time timestamptz not null, value double precision, note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings
select t, random(), 'note ' || t from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""


HYPERTABLE = """
create table $s.readings (time timestamptz not null, value double precision, note text);
select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '7 days');
insert into $s.readings
select t, random(), 'note ' || t from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""


JAN_AGAIN = "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')"


LATE = "insert into $s.readings values ('2026-01-15 00:30Z', 1, 'late')"


async def archive_old(service: Service, older_than: str = "2026-03-06T00:00:00Z", remove: bool | None = True) -> None:
    await service.publish(hypertable=f"{service.schema}.readings", older_than=older_than, remove=remove)
    await service.work()


async def restore(service: Service, key: str, **wish: Any) -> list[str]:
    request = RestoreRequest(
        Relation(service.schema, "readings"), None, ChunkRange(None, None), RestoreWish(**wish), key, "a test"
    )
    await service.runtime.restore_requests.request(request)
    return await service.restore()


async def published(service: Service) -> list[str]:
    """The text of every row of the lake's tables, whatever table's, as their logs have them."""
    found = [row for file in await files_in_tables(service) for row in pq.read_table(file).to_pylist()]
    return sorted(f"{row['time']}|{row['note']}" for row in found)


def in_database(service: Service, table: str = "readings") -> list[str]:
    found = service.rows(f"select time at time zone 'UTC', note from $s.{table}")
    return sorted(f"{when}+00:00|{note}" for when, note in found)


def statuses(service: Service) -> list[tuple[str, str]]:
    return [((job["lake_path"] or job["chunk"]).rpartition("/")[2].rpartition(".")[2], job["status"]) for job in service.jobs()]
