"""What the archive expects of the lake, also on a bad network."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archival_core.errors import PermanentError, SettingsError, TransientError
from archival_core.lake import transfers
from archival_core.lake.account import LakeAccount
from archival_core.lake.client import LakehouseClient
from archival_core.lake.errors import DestinationExistsError
from archival_core.lake.files import LakeSink, LakeSource
from dev.lake_emulator import Emulator, Fault, serve
from dev.lake_emulator.faults import FaultKind


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with serve(tmp_path / "lake") as running:
        yield running


@pytest.fixture(params=["/some/prefix", pytest.param("", marks=pytest.mark.slow)])
async def lake(
    emulator: Emulator, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LakehouseClient]:
    monkeypatch.setitem(transfers.RETRIES, "initial_backoff", 0)
    monkeypatch.setitem(transfers.RETRIES, "increment_base", 0)
    monkeypatch.setitem(transfers.RETRIES, "random_jitter_range", 0.02)
    client = LakehouseClient.open(f"{emulator.url}/archive{request.param}", emulator.key)
    await client.ensure_filesystem()
    yield client
    await client.close()


async def write(lake: LakehouseClient, path: str, data: bytes) -> None:
    await lake.create_file(path)
    await lake.append(path, data, 0)
    await lake.flush(path, len(data))


async def names(lake: LakehouseClient, path: str = "", recursive: bool = True) -> list[str]:
    return [found.path async for found in lake.list(path, recursive)]


async def test_the_environment_has_no_say_in_the_way_to_the_lake(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a proxy nor a password of ~/.netrc is looked for, request by request."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login nobody password wrong")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client = LakehouseClient.open(f"{emulator.url}/archive", emulator.key)
    await client.ensure_filesystem()
    await client.close()
    account = LakeAccount.open(f"{emulator.url}/archive", emulator.key)
    assert await account.sku()
    await account.close()


async def test_write_look_read_list_delete(lake: LakehouseClient) -> None:
    await lake.ensure_filesystem()
    content = os.urandom(6_000_000)
    await write(lake, "staging/j 1/é%2F.parquet", content)
    found = await lake.stat("staging/j 1/é%2F.parquet")
    assert found is not None
    assert (found.length, found.is_directory, found.modified.utcoffset() is not None) == (6_000_000, False, True)
    folder = await lake.stat("staging")
    assert folder is not None
    assert folder.is_directory
    assert await lake.stat("staging/other") is None
    assert await lake.read("staging/j 1/é%2F.parquet", 4_000_000, 1_500_000) == content[4_000_000:5_500_000]
    assert await lake.read("staging/j 1/é%2F.parquet", 5_999_999, 10) == content[-1:]
    assert await lake.read_all("staging/j 1/é%2F.parquet") == content
    assert await names(lake, "staging", recursive=False) == ["staging/j 1"]
    assert await names(lake) == ["staging", "staging/j 1", "staging/j 1/é%2F.parquet"]
    assert await names(lake, "missing") == []
    await lake.delete_tree("staging")
    await lake.delete_tree("staging")
    assert await names(lake) == []
    with pytest.raises(PermanentError) as missing:
        await lake.read_all("staging/other")
    assert missing.value.code == "lake-not-found"


async def test_an_empty_file(lake: LakehouseClient) -> None:
    await lake.create_file("empty")
    await lake.flush("empty", 0)
    assert await lake.read_all("empty") == b""


@pytest.mark.parametrize("kind", ["drop_request", "drop_response", "status", "status_after"])
@pytest.mark.parametrize(
    ("method", "contains"),
    [
        ("PUT", "resource=file"),
        ("PUT", "resource=directory"),
        ("PATCH", "action=append"),
        ("PATCH", "action=flush"),
        ("PUT", "x-ms-blob-type"),
        ("PUT", "x-ms-rename-source"),
        ("HEAD", ""),
        ("GET", ""),
        ("DELETE", ""),
    ],
)
async def test_one_bad_answer_changes_nothing(
    lake: LakehouseClient, emulator: Emulator, kind: FaultKind, method: str, contains: str
) -> None:
    fault = Fault(method, contains, kind)
    emulator.faults.append(fault)
    await write(lake, "staging/1/1/part", b"rows")
    await lake.publish_directory("staging/1/1", "tables/t/c_r1")
    await lake.write_once("manifests/t/c_r1.json", b"{}")
    found = await lake.stat("tables/t/c_r1/part")
    assert found is not None
    assert found.length == 4
    assert await lake.read_all("tables/t/c_r1/part") == b"rows"
    assert await lake.read_all("manifests/t/c_r1.json") == b"{}"
    assert await names(lake, "tables") == ["tables/t", "tables/t/c_r1", "tables/t/c_r1/part"]
    assert await names(lake, "manifests") == ["manifests/t", "manifests/t/c_r1.json"]
    await lake.delete_tree("staging")
    assert fault.hits == 1


@pytest.mark.parametrize("kind", ["drop_response", "status_after"])
async def test_an_answer_lost_for_good_is_looked_up(lake: LakehouseClient, emulator: Emulator, kind: FaultKind) -> None:
    for folder in ("tables", "manifests"):
        await write(lake, f"{folder}/before", b"")
    emulator.faults.append(Fault("PATCH", "action=flush", kind, times=99))
    emulator.faults.append(Fault("PATCH", "flush=true", kind, times=99))
    emulator.faults.append(Fault("PUT", "x-ms-blob-type", kind, times=99))
    emulator.faults.append(Fault("PUT", "x-ms-rename-source", kind, times=99))
    await write(lake, "staging/1/part", b"rows")
    await lake.publish_directory("staging/1", "tables/c")
    await lake.write_once("manifests/c.json", b"{}")
    assert await lake.read_all("tables/c/part") == b"rows"
    assert await lake.read_all("manifests/c.json") == b"{}"


async def test_damage_on_the_way_is_repaired(lake: LakehouseClient, emulator: Emulator) -> None:
    emulator.faults.append(Fault("PATCH", "action=append", "flip_bit"))
    emulator.faults.append(Fault("PUT", "x-ms-blob-type", "flip_bit"))
    emulator.faults.append(Fault("GET", "x-ms-range", "flip_bit"))
    await write(lake, "a", b"rows")
    assert await lake.read_all("a") == b"rows"
    await lake.write_once("b", b"{}")
    assert await lake.read_all("b") == b"{}"
    assert all(fault.hits == 1 for fault in emulator.faults)
    emulator.faults.append(Fault("PATCH", "action=append", "flip_bit", times=99))
    with pytest.raises(TransientError) as caught:
        await lake.append("a", b"more", 4)
    assert caught.value.code == "lake-damaged-transfer"


async def test_a_published_directory_is_never_overwritten(lake: LakehouseClient) -> None:
    await write(lake, "staging/1/part", b"first")
    await write(lake, "staging/2/part", b"second")
    await lake.publish_directory("staging/1", "tables/c")
    await lake.publish_directory("staging/1", "tables/c")  # again, after a crash: already done
    with pytest.raises(DestinationExistsError, match=r"tables/c .*staging/2"):
        await lake.publish_directory("staging/2", "tables/c")
    assert await lake.read_all("tables/c/part") == b"first"
    with pytest.raises(PermanentError):
        await lake.publish_directory("staging/none", "tables/other")


async def test_a_file_is_written_once(lake: LakehouseClient) -> None:
    await asyncio.gather(*(lake.write_once("m/c.json", b"same") for _ in range(5)))
    for other in (b"diff", b"longer content", b""):
        with pytest.raises(DestinationExistsError):
            await lake.write_once("m/c.json", other)
    assert await lake.read_all("m/c.json") == b"same"
    assert await names(lake, "m") == ["m/c.json"]


async def test_a_file_in_a_directory_is_replaced_whole(lake: LakehouseClient) -> None:
    await write(lake, "staging/1/part", b"part")
    for data in (b"first", b"second", b"second"):
        await lake.write_into("staging/1/_manifest.json", data)
        assert await lake.read_all("staging/1/_manifest.json") == data
    assert await names(lake, "staging/1") == ["staging/1/_manifest.json", "staging/1/part"]


async def test_a_directory_that_is_gone_is_not_made_anew(lake: LakehouseClient) -> None:
    await write(lake, "staging/1/part", b"part")
    await lake.publish_directory("staging/1", "staging/2")
    with pytest.raises(PermanentError):
        await lake.write_into("staging/1/_manifest.json", b"late")
    assert await lake.stat("staging/1") is None


async def test_a_server_that_stays_away_is_transient(lake: LakehouseClient, emulator: Emulator) -> None:
    emulator.faults.append(Fault("*", "", "status", times=99))
    for work in (lake.create_file("a"), lake.read_all("a"), lake.stat("a"), lake.write_once("a", b"x"), names(lake)):
        with pytest.raises(TransientError) as caught:
            await work
        assert caught.value.code == "lake-unavailable"


async def test_a_wrong_key_keeps_the_work_and_the_secret(emulator: Emulator) -> None:
    key = base64.b64encode(b"wrong").decode()
    lake = LakehouseClient.open(f"{emulator.url}/archive", key)
    for work in (lake.ensure_filesystem(), lake.stat("a"), lake.create_file("a"), names(lake)):
        with pytest.raises(TransientError, match="LAKE_ACCOUNT_KEY") as caught:
            await work
        assert caught.value.code == "lake-forbidden"
        assert key not in str(caught.value)
        assert "SharedKey" not in str(caught.value)
    await lake.close()


async def test_a_missing_filesystem_is_named(emulator: Emulator) -> None:
    lake = LakehouseClient.open(f"{emulator.url}/missing", emulator.key)
    for work in (lake.stat("a"), lake.create_file("a"), names(lake), lake.delete_tree("a")):
        with pytest.raises(TransientError, match="LAKE_URL"):
            await work
    await lake.close()


@pytest.mark.parametrize(
    "url", ["", "lake", "https://a.dfs.core.windows.net", "ftp://a/b", "http://127.0.0.1:1/acc", "https://u:p@a.b/c"]
)
def test_a_wrong_url_is_one_clear_error(url: str) -> None:
    with pytest.raises(SettingsError, match="LAKE_URL"):
        LakehouseClient.open(url, "a2V5")


def parquet_table(rows: int) -> pa.Table:
    return pa.table({"n": pa.array(range(rows), pa.int64()), "t": pa.array([os.urandom(16) for _ in range(rows)])})


async def test_parquet_goes_there_and_back_from_a_thread(lake: LakehouseClient, emulator: Emulator) -> None:
    loop, table = asyncio.get_running_loop(), parquet_table(40_000)
    emulator.faults.append(Fault("PATCH", "position=131072", "drop_response"))

    def write_parquet() -> tuple[int, str]:
        with LakeSink(lake, "staging/1/part", loop, block_bytes=65_536) as sink:
            pq.write_table(table, sink, row_group_size=10_000)
        return sink.length, sink.sha256

    def read_parquet(length: int) -> pa.Table:
        return pq.ParquetFile(pa.PythonFile(LakeSource(lake, "staging/1/part", length, loop), mode="r")).read()

    length, digest = await asyncio.to_thread(write_parquet)
    content = await lake.read_all("staging/1/part")
    assert (length, digest) == (len(content), hashlib.sha256(content).hexdigest())
    assert (await asyncio.to_thread(read_parquet, length)).equals(table)


async def fails_in_a_thread(work: Callable[[], object], error: type[Exception], code: str) -> None:
    with pytest.raises(error) as caught:
        await asyncio.to_thread(work)
    assert getattr(caught.value, "code", "") == code


async def test_a_failed_block_is_final(lake: LakehouseClient, emulator: Emulator) -> None:
    loop = asyncio.get_running_loop()
    emulator.faults.append(Fault("PATCH", "position=8", status=400, code="InvalidInput"))

    def work() -> None:
        with LakeSink(lake, "a", loop, block_bytes=4) as sink:
            sink.write(b"0123456789abcdef")

    await fails_in_a_thread(work, PermanentError, "lake-refused")
    assert await lake.read_all("a") == b""


async def test_a_writer_that_does_not_heed_a_failure_commits_nothing(lake: LakehouseClient, emulator: Emulator) -> None:
    loop = asyncio.get_running_loop()
    emulator.faults.append(Fault("PATCH", "position=8", status=400, code="InvalidInput"))

    def work() -> None:
        sink = LakeSink(lake, "a", loop, block_bytes=4)
        with suppress(PermanentError):
            sink.write(b"0123456789abcdef")
        with pytest.raises(TransientError, match="aborted"):
            sink.write(b"more")
        sink.close()

    await asyncio.to_thread(work)
    assert await lake.read_all("a") == b""


async def test_an_aborted_sink_wakes_its_thread_and_commits_nothing(lake: LakehouseClient, emulator: Emulator) -> None:
    loop = asyncio.get_running_loop()
    emulator.faults.append(Fault("PATCH", "position=4", "delay", seconds=3))
    sink = LakeSink(lake, "a", loop, block_bytes=4)

    def work() -> None:
        with sink:
            sink.write(b"0123456789abcdef")

    working = asyncio.create_task(asyncio.to_thread(work))
    await asyncio.sleep(0.3)
    sink.abort()
    with pytest.raises(TransientError, match="aborted"):
        await asyncio.wait_for(working, 2)
    with pytest.raises(ValueError, match="closed"):
        sink.write(b"more")
    assert await lake.read_all("a") == b""


async def test_a_forgotten_sink_commits_nothing(lake: LakehouseClient) -> None:
    loop = asyncio.get_running_loop()
    sink = LakeSink(lake, "a", loop, block_bytes=4)
    await asyncio.to_thread(sink.write, b"0123456789")
    del sink
    gc.collect()
    await asyncio.sleep(0.1)
    assert await lake.read_all("a") == b""


async def test_a_source_is_a_file(lake: LakehouseClient) -> None:
    await write(lake, "a", b"0123456789")
    source = LakeSource(lake, "a", 10, asyncio.get_running_loop())

    def work() -> None:
        buffer = bytearray(4)
        assert source.readinto(buffer) == 4
        assert bytes(buffer) == b"0123"
        assert source.seek(-2, os.SEEK_END) == 8
        assert source.read(100) == b"89"
        assert source.read() == b""
        assert source.seek(0) == 0
        assert source.read() == b"0123456789"
        source.expect(2, 3)
        source.expect(5, 2)
        assert source.seek(2) == 2
        assert source.read(3) == b"234"
        assert source.read(4) == b"5678"  # other bytes than were expected

    await asyncio.to_thread(work)
    source.expect(0, 10)
    source.close()
    too_long = LakeSource(lake, "a", 12, asyncio.get_running_loop())
    await fails_in_a_thread(too_long.read, TransientError, "lake-short-read")
