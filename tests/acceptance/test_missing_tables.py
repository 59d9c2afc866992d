"""Archived chunks whose table is missing: who dropped it, and where its rows are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.flows.upkeep.missing_tables.report import MissingTablesReport
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.acceptance.reconciling import (
    TABLE,
    archive,
    folder,
    published,
    published_by_a_worker_that_died,
    reconcile,
    remove,
    statuses,
)

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database


@pytest.mark.parametrize("found_by", ["reconcile", "another attempt", "rebuild_ledger"])
async def test_no_archive_inherits_a_removal(service: Service, found_by: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    message = await published_by_a_worker_that_died(service)
    await remove(service)
    if found_by == "reconcile":
        assert (await reconcile(service)).adoption.adopted == [folder(service, "jan_r1")]
    elif found_by == "another attempt":
        await service.runtime.dead_letters.retry(message.job_id)
        await service.runtime.archival_processor.process(message)
    else:
        service.execute("delete from archival.job")
        await service.runtime.ledger_rebuild.rebuild()
    await reconcile(service)
    assert [(job["status"], job["removed_at"] is not None) for job in service.jobs() if job["status"] != "superseded"] == [
        ("removed", True)
    ]
    assert published(service).count_rows() == 744
    assert len(service.files(f"superseded/{service.schema}.readings/{service.schema}.jan_r1")) == 2
    assert (await reconcile(service)).is_empty
    wish = RestoreRequest(Relation(service.schema, "readings"), None, ChunkRange(None, None), RestoreWish(), "k", "a test")
    await service.runtime.restore_requests.request(wish)
    assert await service.restore() == []
    assert service.rows("select count(*) from $s.jan") == [(744,)]


async def test_a_new_table_under_an_archived_name_is_archived(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("drop table $s.jan")
    service.execute("create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')")
    service.execute("insert into $s.readings values ('2026-01-15 00:30Z', 7)")
    assert (await reconcile(service)).missing_tables == MissingTablesReport(removed=1)
    [job] = service.jobs()
    assert (job["status"], job["removal_error"]["code"]) == ("removed", "was-gone")
    await archive(service, "jan")
    assert statuses(service) == ["removed", "archived"]
    assert published(service).count_rows() == 744 + 1
    assert (await reconcile(service)).is_empty


@pytest.mark.parametrize(
    ("change", "undecided"),
    [
        ("alter table $s.jan rename to january", 0),
        ("alter table $s.readings detach partition $s.jan", 0),
        ("vacuum full $s.jan", 0),
        # a copy of the server
        ("drop table $s.jan;update archival.job set manifest = jsonb_set(manifest, '{source,system_identifier}', '\"7\"')", 1),
        # its rows are back, in another table
        ("drop table $s.jan; update archival.job set restored_at = now()", 0),
    ],
)
async def test_what_may_be_there_does_not_count_as_removed(service: Service, change: str, undecided: int) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    for statement in change.split(";"):
        service.execute(statement)
    assert (await reconcile(service)).missing_tables == MissingTablesReport(undecided=undecided)
    assert statuses(service) == ["archived"]


BOTH = "create table $s.both partition of $s.readings for values from ('2026-01-01Z') to ('2026-03-01Z')"


@pytest.mark.parametrize(
    ("kept", "found", "status"),
    [
        ("", MissingTablesReport(removed=1), "removed"),
        # the archive is the only one until the table that has the rows now is archived
        ("where time < '2026-02-01Z'", MissingTablesReport(), "archived"),
        ("where time < '2026-01-20Z'", MissingTablesReport(undecided=1), "archived"),
    ],
)
async def test_a_table_that_is_gone_is_not_rows_that_are_gone(
    service: Service, kept: str, found: MissingTablesReport, status: str
) -> None:
    """Merged natively: whether the archive still stands for anything is for the rows to say."""
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("create table $s.aside as table $s.readings; drop table $s.jan, $s.feb")
    service.execute(BOTH)
    if kept:
        service.execute(f"insert into $s.readings select * from $s.aside {kept}")
    assert (await reconcile(service)).missing_tables == found
    assert statuses(service) == [status]
    if status == "archived" and found == MissingTablesReport():
        await archive(service, "both")
        assert (await reconcile(service)).missing_tables == MissingTablesReport(reshaped=1)
        assert statuses(service) == ["superseded", "archived"]
        assert published(service).count_rows() == 744


async def test_a_merged_chunk_is_not_gone(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(
        "create table $s.readings (time timestamptz not null, value double precision);"
        "select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '7 days');"
        "insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t"
    )
    await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-03-01T00:00:00Z")
    await service.work()
    first, second, third = service.rows(
        "select format('%I.%I', chunk_schema, chunk_name) from timescaledb_information.chunks"
        " where hypertable_schema = '$s' order by range_start limit 3"
    )
    try:
        service.execute(f"call merge_chunks('{first[0]}', '{second[0]}')")
    except psycopg.Error:
        pytest.skip("merging is not in this edition")
    service.execute(f"drop table {third[0]}")
    await service.runtime.reconciler._missing_tables.decide(time.monotonic() + 60)
    assert {job["chunk"]: job["status"] for job in service.jobs()[:3] if job["status"] == "removed"} == {third[0]: "removed"}
