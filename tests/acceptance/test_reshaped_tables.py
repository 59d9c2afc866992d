"""What becomes of archives when columns are made anew, and when chunks and tables are renamed or merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.acceptance.lineages import (
    HYPERTABLE,
    MINUTE,
    NATIVE,
    archive_old,
    in_database,
    published,
    statuses,
)
from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


async def test_a_column_that_was_made_anew_has_other_values(service: Service) -> None:
    service.execute(NATIVE)
    await archive(service, "jan")
    service.execute(
        "alter table $s.readings drop column note, add column note text default 'new';"
        " alter table $s.readings alter note drop default"
    )
    rows = in_database(service, "jan")
    await remove(service)
    assert set(rows) - set(await published(service)) - set(in_database(service)) == set(), statuses(service)


async def test_a_renamed_chunk_is_not_published_twice(service: Service) -> None:
    service.execute(NATIVE)
    await archive(service, "jan", remove=False)
    rows = in_database(service, "jan")
    service.execute("alter table $s.jan rename to jan_2026")
    await archive_old(service, "2026-02-01T00:00:00Z", remove=False)
    assert await published(service) == rows, statuses(service)


async def test_a_renamed_chunk_is_not_gone(service: Service) -> None:
    service.execute(NATIVE)
    await archive(service, "jan")
    service.execute("alter table $s.jan rename to jan_2026")
    await remove(service)
    assert statuses(service) == [("jan_r0", "archived"), ("jan_2026", "queued")]


async def test_a_renamed_table_is_not_published_twice(service: Service) -> None:
    service.execute(NATIVE)
    await archive(service, "jan", remove=False)
    rows = in_database(service, "jan")
    service.execute("alter table $s.readings rename to measurements")
    await service.publish(hypertable=f"{service.schema}.measurements", chunk=f"{service.schema}.jan", remove=False)
    await service.work()
    assert await published(service) == rows, statuses(service)


async def test_merged_chunks_are_published_once(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(HYPERTABLE)
    rows = in_database(service)
    await archive_old(service)
    chunks = service.rows(
        "select format('%I.%I', chunk_schema, chunk_name) from timescaledb_information.chunks"
        " where hypertable_schema = '$s' order by range_start limit 2"
    )
    try:
        service.execute(f"call merge_chunks('{chunks[0][0]}', '{chunks[1][0]}')")
    except psycopg.Error:
        pytest.skip("merging is not in this edition")
    for _ in range(4):
        await remove(service)
        await service.work()
        await service.runtime.reconciler.reconcile(MINUTE)
    assert len(in_database(service)) == 0, statuses(service)
    assert len(await published(service)) == len(rows), (len(await published(service)), len(rows), statuses(service))
