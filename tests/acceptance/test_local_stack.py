"""`make demo` and `make run` as processes: what they print, what a killed host does, and what they leave behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from dev.demo.tracing import STEPS

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_data_left(tmp_path: Path) -> Iterator[None]:
    """What the database's user may not keep in the test's own folder goes with it: `make run` keeps it for the next time."""
    yield
    for link in tmp_path.rglob("stand-in"):
        shutil.rmtree(link.resolve())


def start(module: str, local: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, "--local", str(local), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return report


def processes_of(local: Path) -> list[int]:
    """Every process whose command line names the folder, or that was started from it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes() + str((folder / "cwd").readlink()).encode()
        except OSError:
            continue
        if str(local).encode() in line and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def host_of(local: Path) -> int | None:
    for pid in processes_of(local):
        if b"dev.functions_host" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def wait_for[T](look: Callable[[], T | None], seconds: float = 120) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return found


def check(report: dict[str, Any], rows: int) -> None:
    assert report["equal"]
    assert (report["dead_letters"], report["duplicates_skipped"], len(report["chunks"])) == (1, 1, 10)
    assert report["rows"] == sum(chunk["rows_parquet"] for chunk in report["chunks"]) == rows * 10 // 12
    lake = Path(report["lake_dir"])
    folders = sorted(folder.name for folder in (lake / "tables" / "demo.readings").iterdir())
    # one archive a chunk, and the files alone tell the same rows
    assert folders == ["_delta_log", *(f"{chunk['chunk']}_r0" for chunk in report["chunks"])]
    assert report["table"]["rows"] == report["rows"]
    assert ds.dataset(lake / "tables" / "demo.readings").count_rows() == report["rows"]
    assert len(list((lake / "manifests").rglob("*.json"))) == 10


class _Names(HTMLParser):
    """What the page names, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.foreign: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = ("class", "name") in attrs
        if tag in ("script", "link", "img", "iframe") or {"src", "href"} & dict(attrs).keys():
            self.foreign.append(tag)

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.names.append(data)
            self._inside = False


def check_trace(drawn: str, log: str) -> None:
    """Nothing is missing, and the page needs nothing else."""
    page = _Names()
    page.feed(drawn)
    assert page.foreign == []
    # one tree, in its order, and calls to other systems among it
    assert [name for name in page.names if name in STEPS] == [
        "process archival.events",
        "send archive-chunks",
        "process archive-chunks",
        "archive.catalog",
        "archive.snapshot",
        "archive.part",
        "archive.upload",
        "archive.extract",
        "archive.read_back",
        "archive.publish",
        "archive.manifest",
        "archive.ledger",
        "send archival.results",
    ]
    assert "lake publish" in page.names
    trace_id = re.search(r"trace (\w{32})", drawn)
    assert trace_id is not None
    assert re.search(rf"trace={trace_id[1]} job=[0-9a-f-]{{36}}: job .* attempt 1", log)


@pytest.mark.parametrize(
    "runs", [pytest.param([1200], id="once"), pytest.param([6000, 1200], marks=pytest.mark.slow, id="and again")]
)
def test_the_demo_draws_the_trace_of_one_archive(tmp_path: Path, runs: list[int]) -> None:
    local, page = tmp_path / "local", tmp_path / "trace.html"
    for rows in runs:
        check(finish(start("dev.demo", local, "--json", "--rows", str(rows), "--trace", str(page))), rows)
    assert processes_of(tmp_path) == []
    check_trace(page.read_text(), (local / "demo" / "logs" / "host.log").read_text())


@pytest.mark.timeout(600)  # hosts come up three times, on machines that have other things to do
@pytest.mark.slow
def test_a_killed_host_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    demo = start("dev.demo", tmp_path, "--json", "--rows", "240000")
    lake = tmp_path / "lake" / "demo" / "archive"
    for wanted in (1, 4):
        # in the middle of things: some are published, others on their way
        wait_for(lambda wanted=wanted: len(list(lake.glob("tables/*/*"))) >= wanted)  # type: ignore[misc]
        pid = wait_for(lambda: host_of(tmp_path))
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: host_of(tmp_path) not in (None, pid))  # type: ignore[misc]
    check(finish(demo), 240_000)


@pytest.mark.slow
def test_a_stop_leaves_no_process_and_no_addresses(tmp_path: Path) -> None:
    stack = start("dev.stack", tmp_path)
    file = tmp_path / "stack.json"
    addresses = json.loads(wait_for(lambda: file.read_text() if file.exists() else None))
    names = "redis_url source_database_url ledger_database_url lake_url lake_dir storage_connection api_url function_key"
    assert sorted(addresses) == sorted(names.split())
    assert (tmp_path / "stack.json").stat().st_mode & 0o077 == 0
    second = start("dev.stack", tmp_path)
    assert "another `make run`" in second.communicate(timeout=30)[1]
    stack.send_signal(signal.SIGINT)
    output, errors = stack.communicate(timeout=60)
    assert (stack.returncode, errors) == (0, "")
    assert "stopped" in output
    assert f"{addresses['api_url']}/dashboard" in output
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "stack.json").exists()
