"""The emulator's faults do what they say, through Microsoft's own SDK without its retries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.filedatalake.aio import DataLakeFileClient, FileSystemClient

from dev.lake_emulator import Emulator, Fault, serve


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with serve(tmp_path / "lake") as running:
        yield running


@pytest.fixture
async def file(emulator: Emulator) -> AsyncIterator[DataLakeFileClient]:
    """A new file `a`, with `abcd` sent and not yet committed."""
    credential = AzureNamedKeyCredential(emulator.account, emulator.key)
    async with FileSystemClient(emulator.url, "archive", credential=credential, retry_total=0) as client:
        await client.create_file_system()
        created = client.get_file_client("a")
        await created.create_file()
        await created.append_data(b"abcd", 0, 4)
        yield created


async def content(file: DataLakeFileClient) -> bytes:
    return await (await file.download_file()).readall()


async def test_a_torn_append_leaves_a_hole_until_it_is_sent_again(emulator: Emulator, file: DataLakeFileClient) -> None:
    emulator.faults.append(Fault("PATCH", "action=append", "torn"))
    with pytest.raises(AzureError):
        await file.append_data(b"efgh", 4, 4)
    with pytest.raises(HttpResponseError):
        await file.flush_data(8)
    await file.append_data(b"efgh", 4, 4)
    await file.flush_data(8)
    assert await content(file) == b"abcdefgh"


async def test_a_torn_answer_is_an_error(emulator: Emulator, file: DataLakeFileClient) -> None:
    await file.flush_data(4)
    emulator.faults.append(Fault("GET", "/a", "torn", times=9))
    with pytest.raises(AzureError):
        await content(file)
    emulator.faults.clear()
    assert await content(file) == b"abcd"


async def test_some_requests_pass_before_a_fault_begins(emulator: Emulator, file: DataLakeFileClient) -> None:
    fault = Fault("HEAD", "/a", skip=2)
    emulator.faults.append(fault)
    for _ in range(2):
        await file.get_file_properties()
    with pytest.raises(HttpResponseError):
        await file.get_file_properties()
    assert fault.hits == 1


async def test_throttling_says_when_to_come_again(emulator: Emulator, file: DataLakeFileClient) -> None:
    emulator.faults.append(Fault("HEAD", status=429, code="TooManyRequests", retry_after=1.5))
    with pytest.raises(HttpResponseError) as caught:
        await file.get_file_properties()
    response: Any = caught.value.response
    assert response is not None
    assert response.headers["Retry-After"] == "1.5"


async def test_a_chosen_byte_rots(emulator: Emulator, file: DataLakeFileClient) -> None:
    emulator.faults.append(Fault("PATCH", "action=append", "bit_rot", byte=0))
    await file.append_data(b"efgh", 4, 4)
    await file.flush_data(8)
    assert await content(file) == b"abcdufgh"


async def test_an_effect_may_come_long_before_its_answer(emulator: Emulator, file: DataLakeFileClient) -> None:
    emulator.faults.append(Fault("PATCH", "action=flush", "delay_after", seconds=0.2))
    await file.flush_data(4)
    assert await content(file) == b"abcd"
