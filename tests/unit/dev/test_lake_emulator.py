"""The emulator through Microsoft's own SDK: the semantics that the archive relies on."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.filedatalake.aio import FileSystemClient

from dev.lake_emulator import Emulator, Fault, serve
from dev.lake_emulator.entry import TreeError
from dev.lake_emulator.tree import Tree

IF_MISSING = MatchConditions.IfMissing


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with serve(tmp_path / "lake") as running:
        yield running


def connect(emulator: Emulator, key: str | None = None) -> FileSystemClient:
    credential = AzureNamedKeyCredential(emulator.account, key or emulator.key)
    return FileSystemClient(emulator.url, "archive", credential=credential, retry_total=0)


@pytest.fixture
async def filesystem(emulator: Emulator) -> AsyncIterator[FileSystemClient]:
    async with connect(emulator) as client:
        await client.create_file_system()
        yield client


async def write(filesystem: FileSystemClient, path: str, data: bytes) -> None:
    file = filesystem.get_file_client(path)
    await file.create_file()
    await file.append_data(data, 0, len(data), validate_content="md5")
    await file.flush_data(len(data))


async def read(filesystem: FileSystemClient, path: str) -> bytes:
    return await (await filesystem.get_file_client(path).download_file(validate_content="md5")).readall()


def code_of(error: HttpResponseError) -> str | None:
    assert error.response is not None
    return error.response.headers["x-ms-error-code"]  # type: ignore[attr-defined, no-any-return]


async def test_a_filesystem_is_created_once(filesystem: FileSystemClient) -> None:
    assert await filesystem.exists()
    with pytest.raises(ResourceExistsError):
        await filesystem.create_file_system()
    await filesystem.delete_file_system()
    assert not await filesystem.exists()


async def test_create_if_missing_succeeds_once(filesystem: FileSystemClient) -> None:
    file = filesystem.get_file_client("a/b.bin")
    await file.create_file(match_condition=IF_MISSING)
    with pytest.raises(ResourceExistsError) as caught:
        await file.create_file(match_condition=IF_MISSING)
    assert code_of(caught.value) == "PathAlreadyExists"


async def test_appended_data_is_invisible_until_flush(emulator: Emulator, filesystem: FileSystemClient) -> None:
    file = filesystem.get_file_client("a/b.bin")
    await file.create_file()
    await file.append_data(b"world", 6, 5)  # out of order on purpose
    await file.append_data(b"hello ", 0, 6)
    assert (await file.get_file_properties()).size == 0
    assert (emulator.root / "archive/a/b.bin").read_bytes() == b""
    await file.flush_data(11)
    assert await read(filesystem, "a/b.bin") == b"hello world"
    assert (emulator.root / "archive/a/b.bin").read_bytes() == b"hello world"
    await file.append_data(b"!", 11, 1, flush=True)
    assert await read(filesystem, "a/b.bin") == b"hello world!"


async def test_a_flush_with_a_gap_is_refused(filesystem: FileSystemClient) -> None:
    file = filesystem.get_file_client("gap")
    await file.create_file()
    await file.append_data(b"x", 1, 1)
    with pytest.raises(HttpResponseError) as caught:
        await file.flush_data(2)
    assert code_of(caught.value) == "InvalidFlushPosition"


async def test_a_bit_flipped_on_the_way_in_is_noticed(emulator: Emulator, filesystem: FileSystemClient) -> None:
    file = filesystem.get_file_client("a")
    await file.create_file()
    emulator.faults.append(Fault("PATCH", "action=append", "flip_bit"))
    with pytest.raises(HttpResponseError) as caught:
        await file.append_data(b"abc", 0, 3, validate_content="md5")
    assert code_of(caught.value) == "Md5Mismatch"


async def test_a_bit_flipped_on_the_way_out_is_noticed_and_rot_is_not(emulator: Emulator, filesystem: FileSystemClient) -> None:
    await write(filesystem, "a", b"abc")
    emulator.faults.append(Fault("GET", "/a", "flip_bit"))
    with pytest.raises(AzureError, match="MD5"):
        await read(filesystem, "a")
    emulator.faults.append(Fault("GET", "/a", "bit_rot"))
    assert await read(filesystem, "a") != b"abc"
    assert await read(filesystem, "a") == b"abc"


async def test_a_wrong_key_and_no_key_are_refused(emulator: Emulator, filesystem: FileSystemClient) -> None:
    async with connect(emulator, base64.b64encode(b"another key").decode()) as stranger:
        with pytest.raises(ClientAuthenticationError):
            await stranger.get_file_client("a").create_file()
    async with aiohttp.ClientSession() as session, session.get(f"{emulator.url}/archive/a") as answer:
        assert answer.status == 403


async def test_renaming_a_directory_takes_everything_along(emulator: Emulator, filesystem: FileSystemClient) -> None:
    await write(filesystem, "staging/1/deep/part-0", b"zero")
    await write(filesystem, "staging/1/part 1 é%20.parquet", b"one")
    await filesystem.get_file_client("staging/1/deep/part-0").set_metadata({"rows": "7"})
    unfinished = filesystem.get_file_client("staging/1/late")
    await unfinished.create_file()
    await unfinished.append_data(b"late", 0, 4)
    await filesystem.create_directory("tables/t")
    source = filesystem.get_directory_client("staging/1")
    await source.rename_directory("archive/tables/t/chunk", match_condition=IF_MISSING)
    assert not await source.exists()
    assert await read(filesystem, "tables/t/chunk/part 1 é%20.parquet") == b"one"
    moved = filesystem.get_file_client("tables/t/chunk/deep/part-0")
    assert (await moved.get_file_properties()).metadata == {"rows": "7"}
    await filesystem.get_file_client("tables/t/chunk/late").flush_data(4)
    assert await read(filesystem, "tables/t/chunk/late") == b"late"


async def test_readers_see_a_directory_before_or_after_its_rename_never_between(
    filesystem: FileSystemClient,
) -> None:
    for number in range(30):
        await write(filesystem, f"staging/p{number}", b"x")
    seen = set()

    async def watch() -> None:
        for _ in range(40):
            seen.add(len([path async for path in filesystem.get_paths(recursive=True) if "/p" in path.name]))

    watching = asyncio.create_task(watch())
    for _ in range(5):
        await asyncio.sleep(0.01)
        await filesystem.get_directory_client("staging").rename_directory("archive/done")
        await filesystem.get_directory_client("done").rename_directory("archive/staging")
    await watching
    assert seen == {30}


async def test_a_rename_needs_a_free_name_a_source_and_a_parent(filesystem: FileSystemClient) -> None:
    await write(filesystem, "one/a", b"1")
    await write(filesystem, "two/a", b"2")
    one = filesystem.get_directory_client("one")
    with pytest.raises(ResourceExistsError) as exists:
        await one.rename_directory("archive/two", match_condition=IF_MISSING)
    with pytest.raises(ResourceNotFoundError) as parent:
        await one.rename_directory("archive/no/such/parent")
    with pytest.raises(ResourceNotFoundError) as source:
        await filesystem.get_directory_client("zero").rename_directory("archive/three")
    assert code_of(exists.value) == "PathAlreadyExists"
    assert code_of(parent.value) == "RenameDestinationParentPathNotFound"
    assert code_of(source.value) == "SourcePathNotFound"
    assert await read(filesystem, "two/a") == b"2"
    await filesystem.get_file_client("one/a").rename_file("archive/two/a")  # without a condition it replaces
    assert await read(filesystem, "two/a") == b"1"


async def test_a_version_is_told_by_its_etag(filesystem: FileSystemClient) -> None:
    await write(filesystem, "a", b"1")
    file = filesystem.get_file_client("a")
    before = (await file.get_file_properties()).etag
    await write(filesystem, "a", b"2")
    with pytest.raises(ResourceModifiedError):
        await file.delete_file(etag=before, match_condition=MatchConditions.IfNotModified)
    assert await read(filesystem, "a") == b"2"


async def test_listing_goes_on_page_by_page(filesystem: FileSystemClient) -> None:
    expected = [f"d/{number:03}" for number in range(23)]
    for path in expected:
        await filesystem.get_file_client(path).create_file()
    await filesystem.create_directory("d/sub/deeper")
    pages = [
        [path.name async for path in page] async for page in filesystem.get_paths("d", recursive=True, max_results=10).by_page()
    ]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [name for page in pages for name in page] == [*expected, "d/sub", "d/sub/deeper"]
    assert len([path async for path in filesystem.get_paths("d", recursive=False)]) == 24
    with pytest.raises(ResourceNotFoundError):
        [path async for path in filesystem.get_paths("missing")]


async def test_ranges_and_an_empty_file(filesystem: FileSystemClient) -> None:
    content = os.urandom(9 * 1024 * 1024)
    await write(filesystem, "big", content)
    file = filesystem.get_file_client("big")
    middle = await file.download_file(5_000_000, 3_000_000)
    assert await middle.readall() == content[5_000_000:8_000_000]
    assert await read(filesystem, "big") == content
    await filesystem.get_file_client("empty").create_file()
    assert await read(filesystem, "empty") == b""


async def test_a_full_directory_is_deleted_only_recursively(emulator: Emulator, filesystem: FileSystemClient) -> None:
    await write(filesystem, "d/a", b"1")
    with pytest.raises(HttpResponseError):
        await filesystem.get_file_client("d").delete_file()
    await filesystem.get_directory_client("d").delete_directory()
    assert list((emulator.root / "archive").iterdir()) == []


async def test_files_outlive_a_restart_and_uncommitted_data_does_not(tmp_path: Path) -> None:
    for start in range(2):
        async with serve(tmp_path) as emulator, connect(emulator) as filesystem:
            file = filesystem.get_file_client("a")
            if start == 0:
                await filesystem.create_file_system()
                await write(filesystem, "a", b"kept")
                etag = (await file.get_file_properties()).etag
                await file.append_data(b"lost", 4, 4)
            else:
                assert await read(filesystem, "a") == b"kept"
                assert (await file.get_file_properties()).etag == etag
                with pytest.raises(HttpResponseError):
                    await file.flush_data(8)


def test_a_path_never_leaves_its_filesystem(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "lake")
    tree.create_filesystem("archive")
    for path in ("../x", "a/../../x", "..", "a//b", "./a", "a\0b"):
        with pytest.raises(TreeError, match="not valid"):
            tree.put("archive", path, b"x")
    for name in ("..", ".uncommitted", "UPPER", "a/b", ""):
        with pytest.raises(TreeError):
            tree.create_filesystem(name)
    tree.put("archive", "a", b"")
    with pytest.raises(TreeError, match="parent"):
        tree.put("archive", "a/b", b"x")


async def test_the_blob_endpoint_serves_the_same_files(emulator: Emulator, filesystem: FileSystemClient) -> None:
    pq.write_table(pa.table({"x": [1, 2, 3]}), emulator.root / "archive" / "outside.parquet")
    credential = AzureNamedKeyCredential(emulator.account, emulator.key)
    async with BlobServiceClient(emulator.url, credential=credential, max_single_put_size=4, max_block_size=4) as blobs:
        container = blobs.get_container_client("archive")
        await container.upload_blob("d/small", b"abc")
        await container.upload_blob("d/blocks", b"0123456789", metadata={"k": "v"})
        with pytest.raises(ResourceExistsError):
            await container.upload_blob("d/small", b"abc")
        names = [blob.name async for blob in container.list_blobs()]
        top = [blob.name async for blob in container.walk_blobs()]
    assert names == ["d", "d/blocks", "d/small", "outside.parquet"]
    assert top == ["d/", "outside.parquet"]
    assert await read(filesystem, "d/blocks") == b"0123456789"


async def test_faults_change_the_answer_or_the_effect(emulator: Emulator, filesystem: FileSystemClient) -> None:
    file = filesystem.get_file_client("a")
    emulator.faults.append(Fault("PUT", "/a", "status", status=503, code="ServerBusy"))
    with pytest.raises(HttpResponseError) as caught:
        await file.create_file()
    assert code_of(caught.value) == "ServerBusy"
    assert not await file.exists()
    for kind in ("status_after", "drop_response"):
        # the HTTP client itself repeats a dropped PUT once, hence two
        emulator.faults.append(Fault("PUT", "/a", kind, times=2))
        with pytest.raises(AzureError):
            await file.create_file()
        emulator.faults.clear()
        assert await file.exists()
        await file.delete_file()


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "dev.lake_emulator", "--root", str(tmp_path / "r"), "--port-file", str(port_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address == f"http://127.0.0.1:{port_file.read_text()}/devstoreaccount1"
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
