"""Two functions hosts with the app itself share the parts of one chunk: `archive_chunk` calls, `archive_part` is started."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.lake_emulator import Fault
from dev.servers.processes import Process, free_port
from dev.stack.host_defaults import SCHEDULES
from dev.stack.state import ROOT
from tests.acceptance.parts import assert_archived, request

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.timeout(300)]

#: Sessions of the service that hold the chunk: one reader has two, one for the snapshot of its part and one for the rows.
READERS = """
select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid)
where l.relation = to_regclass('$s.jan') and l.granted and a.application_name = 'archival_service'
"""


@pytest.fixture(autouse=True)
def one_reader_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(8 * 8192))
    monkeypatch.setenv("ARCHIVE_SHARED_PARTS", "4")
    monkeypatch.setenv("ARCHIVE_READERS", "1")


def started(folder: Path, stack: ExitStack) -> Process:
    ready = folder / "ready"
    command = [sys.executable, "-m", "dev.functions_host", str(ROOT), "--ready-file", str(ready), "--port", str(free_port())]
    keys = {"LOCAL_FUNCTION_KEY": "key", "LOCAL_MASTER_KEY": "master", "TELEMETRY_EXPORTER": "none"}
    host = stack.enter_context(Process(command, folder / "host.log", env={**os.environ, **SCHEDULES, **keys}, cwd=ROOT))
    host.wait_until(ready.exists, "the host")
    return host


@pytest.mark.slow
async def test_two_hosts_share_a_chunk(service: Service, tmp_path: Path) -> None:
    # so that helpers come while there is something to do
    service.emulator.faults.append(Fault("PATCH", ".parquet?action=append", "delay", seconds=1.0, times=1000))
    await request(service)
    most = 0
    with ExitStack() as stack:
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            await asyncio.to_thread(started, tmp_path / name, stack)
        async with asyncio.timeout(200):
            while service.jobs()[0]["status"] != "archived":
                most = max(most, service.rows(READERS)[0][0])
                await asyncio.sleep(0.05)
    service.emulator.faults.clear()
    assert most > 2, "the worker read alone"
    assert len(assert_archived(service)["parts"]) >= 4
    assert service.jobs()[0]["attempt"] == 1
