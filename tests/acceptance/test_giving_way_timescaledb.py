"""Who alters, compresses or drops chunks of a real TimescaleDB does not wait for archives, and nobody waits behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.altering import PATIENCE, altered, assert_archived, request, slow_lake, work
from tests.kit.timescaledb import chunks, is_community

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.timescaledb

TABLE = """
create table $s.readings (time timestamptz not null, device int, value double precision, note text);
select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '1 day');
insert into $s.readings
select timestamptz '2026-01-01Z' + i * interval '1 minute', i % 4, random(), 'note ' || i from generate_series(0, 4319) i;
"""
COMPRESSION = "alter table $s.readings set (timescaledb.compress, timescaledb.compress_segmentby = 'device')"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(4 * 8192))
    monkeypatch.setenv("ARCHIVE_READERS", "2")
    monkeypatch.setenv("ARCHIVE_SHARED_PARTS", "1000000")


@pytest.mark.parametrize("ddl", ["alter table $s.readings add more int", "alter table $s.readings alter device type bigint"])
async def test_an_alter_table(timescaledb_service: Service, ddl: str) -> None:
    service = timescaledb_service
    service.execute(TABLE)
    archived = chunks(service)
    await request(service, *archived)
    slow_lake(service)
    assert await altered(service, archived, ddl) < PATIENCE
    assert await work(service) == [None] * 3
    for chunk in archived:
        assert_archived(service, chunk)


@pytest.mark.parametrize("was_compressed", [False, True], ids=["compress", "decompress"])
async def test_compression(timescaledb_service: Service, was_compressed: bool) -> None:
    service = timescaledb_service
    if not is_community(service):
        pytest.skip("compression is not in the Apache edition")
    service.execute(TABLE)
    service.execute(COMPRESSION)
    first, *_ = chunks(service)
    if was_compressed:
        service.rows(f"select compress_chunk('{first}')::text")
    await request(service, first)
    slow_lake(service)
    ddl = f"select {'de' if was_compressed else ''}compress_chunk('{first}')"
    assert await altered(service, [first], ddl) < PATIENCE
    assert await work(service) == [None]
    assert_archived(service, first)


@pytest.mark.parametrize("ddl", ["select drop_chunks('$s.readings', interval '1 day')", "truncate $s.readings"])
async def test_all_chunks_go_meanwhile(timescaledb_service: Service, ddl: str) -> None:
    service = timescaledb_service
    [(version,)] = service.rows("select extversion from pg_extension where extname = 'timescaledb'")
    if "drop_chunks" in ddl and tuple(map(int, version.split(".")[:2])) < (2, 28):
        pytest.skip("it waits for each transaction, and has no lock meanwhile that others would wait for")
    service.execute(TABLE)
    archived = chunks(service)
    await request(service, *archived)
    slow_lake(service)
    assert await altered(service, archived, ddl) < PATIENCE
    assert await work(service) == ["unknown-chunk"] * 3
    assert service.files("tables") == []
