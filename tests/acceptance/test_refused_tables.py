"""Tables whose rows nobody could bring back: they are refused with a reason, when they are archived and when they would go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dev.lake_emulator import Emulator
from tests.acceptance.conftest import Service, open_service
from tests.kit.copied_postgres import CopiedPostgres

pytestmark = pytest.mark.usefixtures("at_once")

TABLE = """
create table $s.readings (time timestamptz not null, site int, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z') partition by list (site);
create table $s.one partition of $s.jan for values in (1) partition by hash (value);
create table $s.leaf partition of $s.one for values with (modulus 1, remainder 0);
insert into $s.readings select t, 1, 2 from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t;
"""


async def archive(service: Service) -> list[dict[str, Any]]:
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=True)
    await service.work()
    return service.jobs()


async def remove(service: Service) -> str | None:
    """Why the chunk stays."""
    service.execute("update archival.job set removal_tried_at = null where hypertable like '$s.%'")
    await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
    [job] = service.jobs()
    return job["removal_error"]["code"] if job["removal_error"] else None


async def foreign_leaf(service: Service) -> None:
    if not service.rows("select from pg_available_extensions where name = 'file_fdw'"):
        pytest.skip("this server has no foreign data wrapper")
    service.execute(
        "create extension if not exists file_fdw; create server elsewhere_$s foreign data wrapper file_fdw;"
        "create table $s.two partition of $s.jan for values in (2) partition by hash (value);"
        "create foreign table $s.elsewhere partition of $s.two for values with (modulus 1, remainder 0)"
        " server elsewhere_$s options (filename '/dev/null')"
    )


async def test_a_foreign_table_two_levels_down(service: Service) -> None:
    service.execute(TABLE)
    await foreign_leaf(service)
    try:
        # what is asked for by name is refused where it is asked, and what waits when it is done
        await service.publish(hypertable=f"{service.schema}.readings", older_than="2026-02-01T00:00:00Z", remove=True)
        await service.work()
        [job] = service.jobs()
        assert (job["status"], job["error"]["code"]) == ("failed", "foreign-partition")
        assert "elsewhere" in job["error"]["message"]
    finally:
        service.execute("drop server elsewhere_$s cascade")


async def test_a_foreign_table_that_came_after_the_archive(service: Service) -> None:
    service.execute(TABLE)
    assert [job["status"] for job in await archive(service)] == ["archived"]
    await foreign_leaf(service)
    try:
        assert await remove(service) == "foreign-partition"
        assert service.rows("select count(*) from $s.leaf") == [(721,)]
    finally:
        service.execute("drop server elsewhere_$s cascade")


async def test_a_partition_without_tables(service: Service) -> None:
    service.execute(TABLE)
    assert [job["status"] for job in await archive(service)] == ["archived"]
    service.execute("drop table $s.leaf")
    assert await remove(service) == "no-leaves"


async def test_an_unlogged_table_that_a_crash_empties_keeps_its_archive(
    redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with CopiedPostgres(tmp_path / "source") as server:
        opened: AsyncIterator[Service] = open_service(server.url, redis_url, storage_connection, emulator, monkeypatch)
        service = await anext(opened)
        try:
            service.execute(TABLE + "alter table $s.leaf set unlogged")
            [job] = await archive(service)
            assert (job["status"], job["rows"]) == ("archived", 721)
            assert await remove(service) == "unlogged"
            # these servers may lose what was committed last, and a crash would take the archive along
            service.execute("checkpoint")
            process: Any = server._process
            process.kill()
            process.start()
            process.wait_until(server._answers, "PostgreSQL")
            assert service.rows("select count(*) from $s.readings") == [(0,)]
            # neither dropped, nor archived again as the nothing that it is now
            assert await remove(service) == "unlogged"
            await service.work()
            [job] = service.jobs()
            assert (job["status"], job["rows"], len(service.files("tables"))) == (
                "archived",
                721,
                len(service.files(job["lake_path"])),
            )
        finally:
            with pytest.raises(StopAsyncIteration):
                await anext(opened)
