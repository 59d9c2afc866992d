"""What the lake's client must not take for done, and must not write over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from archival_core.errors import ArchivalError
from archival_core.lake.client import LakehouseClient
from archival_core.lake.errors import DestinationExistsError
from archival_core.lake.files import LakeSink
from dev.lake_emulator import Emulator, Fault


@pytest.fixture
async def lake(emulator: Emulator) -> AsyncIterator[LakehouseClient]:
    client = LakehouseClient.open(f"{emulator.url}/lake/prefix", emulator.key)
    await client.ensure_filesystem()
    yield client
    await client.close()


async def write(lake: LakehouseClient, path: str, data: bytes) -> None:
    await lake.create_file(path)
    if data:
        await lake.append(path, data, 0)
        await lake.flush(path, len(data))


async def test_a_flush_that_is_refused_has_not_happened(lake: LakehouseClient, emulator: Emulator) -> None:
    await lake.create_file("a")
    await lake.append("a", b"0123456789", 0)
    emulator.faults.append(Fault("PATCH", "action=flush", status=403, code="AuthorizationFailure", times=99))
    with pytest.raises(ArchivalError):
        await lake.flush("a", 10)
    assert await lake.read_all("a") == b""
    emulator.faults.clear()
    await lake.flush("a", 10)
    assert await lake.read_all("a") == b"0123456789"


@pytest.mark.parametrize("there", ["file", "empty directory", "directory"])
async def test_a_directory_is_published_over_nothing(lake: LakehouseClient, emulator: Emulator, there: str) -> None:
    await write(lake, "staging/a/part", b"ours")
    if there == "file":
        await write(lake, "tables/a", b"theirs")
    else:
        await write(lake, "tables/a/part", b"theirs")
        if there == "empty directory":
            await lake.delete_tree("tables/a/part")
    before = [(found.path, found.length) async for found in lake.list("tables")]
    with pytest.raises(DestinationExistsError):
        await lake.publish_directory("staging/a", "tables/a")
    assert [(found.path, found.length) async for found in lake.list("tables")] == before
    assert await lake.read_all("staging/a/part") == b"ours"


async def test_a_file_whose_writer_failed_is_not_committed(lake: LakehouseClient) -> None:
    loop = asyncio.get_running_loop()

    def work() -> None:
        with LakeSink(lake, "a", loop, block_bytes=4) as sink:
            sink.write(b"0123456789")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(work)
    assert await lake.read_all("a") == b""
