"""The command line against the service, through the functions host."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from archival_cli.__main__ import main
from dev.servers.processes import Process
from tests.kit.timers import never

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

ROOT = Path(__file__).parents[2]
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""

#: arguments and environment → exit code, output, errors
type _Run = Callable[[tuple[str, ...], dict[str, str]], tuple[int, str, str]]


def _started(arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "archival_cli", *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _called(arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[int, str, str]:
    output, errors = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, environment), redirect_stdout(output), redirect_stderr(errors):
        code = main(arguments)
    return code, output.getvalue(), errors.getvalue()


class CommandLine:
    """Runs the command line as a user would: in this process, which is quicker, or as a process of its own."""

    def __init__(self, service: Service, url: str) -> None:
        self._service = service
        self._environment = {"ARCHIVAL_API_URL": url, "ARCHIVAL_API_KEY": "key", "COLUMNS": "200"}

    async def work(self) -> None:
        """Drain the stream, and wait until the functions host has ended every job: the messages are the host's to take."""
        await self._service.runtime.event_drain.drain()
        async with asyncio.timeout(120):
            while self._service.rows("select from archival.job where status in ('queued', 'running')"):
                await asyncio.sleep(0.1)

    async def __call__(
        self, *arguments: str, expect: int = 0, words: str = "", merged: bool = False, **environment: str
    ) -> str:
        """What it says; with `merged`, or where it fails, with what it says beside the answer."""
        with patch("sys.stdin", io.StringIO(words)):
            return await self._run(_called, arguments, expect, environment, merged=merged)

    async def as_process(self, *arguments: str, expect: int = 0, **environment: str) -> str:
        return await self._run(_started, arguments, expect, environment)

    async def _run(
        self, run: _Run, arguments: tuple[str, ...], expect: int, environment: dict[str, str], *, merged: bool = False
    ) -> str:
        code, output, errors = await asyncio.to_thread(run, arguments, self._environment | environment)
        assert code == expect, (arguments, output, errors)
        return output if expect == 0 and not merged else output + errors

    async def json(self, *arguments: str, words: str = "") -> Any:
        return json.loads(await self(*arguments, "--json", words=words))


@pytest.fixture
async def cli(service: Service) -> AsyncIterator[CommandLine]:
    service.execute(TABLE)
    ready = Path(service.emulator.root) / "ready"
    environment = {**os.environ, **service.names, **never(), "LOCAL_FUNCTION_KEY": "key"}
    command = [sys.executable, "-m", "dev.functions_host", str(ROOT), "--ready-file", str(ready), "--no-local-settings"]
    with Process(command, ready.with_name("host.log"), env=environment, cwd=ROOT) as process:
        process.wait_until(ready.exists, "the host")
        yield CommandLine(service, f"{ready.read_text()}/api")
        # the host ends when its jobs have, which the lake in this loop has to answer meanwhile
        await asyncio.to_thread(process.stop)


async def test_a_day_with_the_command_line(service: Service, cli: CommandLine) -> None:
    table = f"{service.schema}.readings"
    assert "nothing was recorded" in await cli("archive", table, "--older-than", "2026-04-01T00:00:00Z", "--dry-run")
    found = await cli.json("archive", table, "--older-than", "2026-04-01T00:00:00Z", "--follow")
    assert [job["status"] for job in found["jobs"]] == ["archived", "archived"]
    job_id = found["jobs"][0]["job_id"]
    assert f"{service.schema}.jan" in await cli.as_process("jobs", "--status", "archived")
    assert "archived" in await cli("job", job_id, "--follow")
    assert [chunk["state"] for chunk in (await cli.json("chunks", table))["chunks"]] == ["archived", "archived"]
    refused = await cli("retry", job_id, expect=1)
    assert refused.strip().endswith("(not-retryable)")
    # the first digits of an id name a job, names need no schema, and an archive is no removal
    assert job_id in await cli("job", job_id[:8], "-o", "json")
    assert "no such job" not in await cli("jobs", "--hypertable", "readings", "--from", "1 hour")
    assert f"did you mean {table}?" in await cli("chunks", "raedings", expect=1)
    assert f"did you mean {service.schema}.jan?" in await cli("archive", "readings", "--chunk", "jna", expect=1)
    told = await cli("why", "readings", "jan")
    assert "stays in the database: there is no policy, and REMOVAL_POLICY is keep" in told
    assert "2026-01-01 to 2026-02-01" in told
    assert "jan of" in await cli("why", "readings", "2026-01-06")
    assert "kept-by-default" in await cli("why", "readings")
    kept = await cli.json("chunks", "readings", "--because", "kept-by-default", "--because", "grace", "--in-database")
    assert [chunk["chunk"] for chunk in kept["chunks"]] == [f"{service.schema}.jan", f"{service.schema}.feb"]
    assert f"{table} has no such chunk" in await cli("chunks", "readings", "--gone")
    assert "unknown-chunk" in await cli("why", "readings", "jna", expect=1)
    assert "which archives?" in await cli("restore", table, expect=2)
    assert "not-restorable" in await cli("restore", table, "--all", expect=1)
    copy = ("restore", "readings", "--chunk", "jan", "--into", f"{service.schema}.copy")
    assert "1 archive, 744 rows" in await cli(*copy, "--dry-run")
    assert "1 archive, 744 rows" in await cli(*copy, expect=2), "nobody is there to be asked"
    assert [job["kind"] for job in service.jobs()] == ["archive", "archive"]
    copies = await cli.json(*copy, "--follow", "--yes")
    assert [job["status"] for job in copies["jobs"]] == ["restored"]
    assert "Give --archive-after" in await cli("policies", "set", table, "--disabled", expect=2)
    await cli("policies", "set", table, "--archive-after", "P1D", "--remove-after", "P9D", "--disabled")
    assert table in await cli("policies")
    for flags, then in (
        (("--archive-after", "P2D"), ("P2D", "P9D", False)),
        (("--enabled",), ("P2D", "P9D", True)),
        (("--remove-after", "never"), ("P2D", None, True)),
        (("--archive-after", "P1D", "--disabled"), ("P1D", None, False)),
    ):
        policy = await cli.json("policies", "set", table, *flags)
        assert (policy["archive_after"], policy["remove_after"], policy["enabled"]) == then, flags
    assert "what is to change?" in await cli("policies", "set", table, expect=2)
    assert "'90' is no age" in await cli("policies", "set", table, "--archive-after", "90", expect=2)
    assert "nothing is due" in await cli("policies", "preview", table, "--archive-after", "P1D")
    await cli("policies", "delete", table)
    await service.publish(hypertable="", chunk="")
    await service.runtime.event_drain.drain()
    [letter] = (await cli.json("dead-letters"))["dead_letters"]
    assert "Missing option '--reason'" in await cli("dead-letters", "discard", letter["entry_id"], expect=2)
    await cli("dead-letters", "discard", letter["entry_id"], "--reason", "a test")
    assert "paused" in await cli("pause", "--reason", "an upgrade")
    assert "an upgrade" in await cli("status")
    await cli("resume")


@pytest.mark.slow
@pytest.mark.parametrize("failed", [60, 510])
async def test_many_at_a_time(service: Service, cli: CommandLine, failed: int) -> None:
    """More failures than a list shows, and more than one statement takes."""
    await service.runtime.ledger.ping()
    service.execute(
        "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by, finished_at, error)"
        " select 'archive', '$s.readings', '$s.c' || n, 'failed', 'r' || n, 'test', now(),"
        f" jsonb_build_object('code', case when n <= {failed} then 'database' else 'lake-conflict' end)"
        f" from generate_series(1, {failed + 5}) n;"
        # none of these is ever taken by a worker
        "insert into archival.job (kind, hypertable, chunk, status, request_key, requested_by)"
        " select 'archive', 'public.t', 'public.' || s || n, s, s || n, 'test'"
        " from generate_series(1, 5) n, unnest(array['skipped', 'queued']) s"
    )
    assert f"{failed + 5} (database {failed}, lake-conflict 5) are meant; nothing was done" in await cli(
        "retry", "--all", "--dry-run"
    )
    told = await cli("status")
    assert f"{failed + 5} failures that nobody has made up for" in told
    assert f"database {failed}" in " ".join(told.split())
    assert "the newest 50 of" in await cli("jobs", "--status", "failed", merged=True)
    known = ("dismiss", "--code", "lake-conflict", "--reason", "it is known")
    assert "5 failures are dismissed" in await cli(*known, "--yes")
    assert (await cli.json("jobs", "--status", "failed", "--open", "--code", "lake-conflict"))["jobs"] == []
    assert len((await cli.json("jobs", "--status", "failed", "--code", "lake-conflict"))["jobs"]) == 5
    assert "it is known" in await cli("audit", "--limit", "1")
    assert len((await cli.json("jobs", "--dismissed"))["jobs"]) == 5
    assert "by function key: it is known" in " ".join((await cli("jobs", "--dismissed")).split())
    assert "5 failures wait for somebody again" in await cli("undismiss", "--code", "lake-conflict", "--yes")
    assert (await cli.json("jobs", "--dismissed"))["jobs"] == []
    assert await cli.json("dismiss", "--code", "lake-conflict", "--reason", "known", "--yes") == {"done": 5, "passed": {}}
    # nobody is there to be asked
    assert f"{failed} (database {failed}). Nobody is there to be asked: say --yes" in await cli(
        "retry", "--code", "database", expect=2
    )
    assert await cli.json("retry", "--code", "database", "--yes") == {"done": failed, "passed": {}}
    assert await cli.json("retry", "--code", "database", "--yes") == {"done": 0, "passed": {}}
    listed = await cli.json("jobs", "--code", "lake-conflict")
    ids = "".join(f"{job['job_id']}  {job['chunk']}\n" for job in listed["jobs"]) + "\n"
    assert "5 jobs are queued again" in await cli("retry", "-", words=ids)
    skipped = (await cli.json("jobs", "--status", "skipped"))["jobs"]
    told = await cli("retry", "-", words="\n".join(job["job_id"] for job in skipped), expect=1)
    assert "5 left as they are: not-retryable" in told
    assert await cli.json("cancel", "--hypertable", "public.t", "--yes") == {"done": 5, "passed": {}}
    for number in range(3):
        await service.publish(hypertable="", chunk=str(number))
    await service.runtime.event_drain.drain()
    assert "3 dead letters are replayed" in await cli("dead-letters", "replay", "--code", "invalid-event", "--yes")
    await service.runtime.event_drain.drain()
    letters = (await cli.json("dead-letters", "--text", "HYPERTABLE"))["dead_letters"]
    assert len(letters) == 3
    words = "\n".join(letter["entry_id"] for letter in letters)
    assert await cli.json("dead-letters", "discard", "-", "--reason", "a test", words=words) == {"done": 3, "passed": {}}
    assert "no dead letters" in await cli("dead-letters")


async def test_errors_are_clear(cli: CommandLine, tmp_path: Path) -> None:
    assert "does not know this key" in await cli.as_process("jobs", expect=3, ARCHIVAL_API_KEY="wrong")
    assert "does not answer" in await cli("jobs", "--url", "http://127.0.0.1:1", "--wait", "0", expect=3)
    assert "no http:// or https:// address" in await cli("jobs", "--url", "file:///etc/passwd", expect=2)
    assert "no hypertable" not in await cli("hypertables", "--wait", "120"), "the host has begun its work"
    assert "no hypertable public.nothing" in await cli("archive", "public.nothing", "--older-than", "1", expect=1)
    assert "which chunks?" in await cli("archive", "public.nothing", expect=2)
    await cli.as_process("nonsense", expect=2)
    # what an action does not take is no part of it, and an abbreviation may mean something else one day
    for arguments in (
        ("policies", "delete", "public.nothing", "--disabled"),
        ("policies", "public.nothing"),
        ("policies", "list", "public.nothing"),
        ("policies", "preview", "public.nothing", "--archive-after", "P1D", "--remove-after", "P2D"),
        ("dead-letters", "list", "1-0"),
        ("dead-letters", "replay", "1-0", "--reason", "none"),
        ("dead-letters", "replay"),
        ("dead-letters", "replay", "1-0", "--all"),
        ("dead-letters", "list", "--from", "2026-01-01T00:00:00Z"),
        ("retry",),
        ("retry", "--status", "failed"),
        ("retry", "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10", "--code", "database"),
        ("cancel", "--status", "failed", "--all"),
        ("archive", "public.nothing", "--older-than", "1", "--dry"),
        ("jobs", "--limit", "0"),
    ):
        await cli(*arguments, expect=2)


async def test_the_lake_s_owner_and_lost_marks(cli: CommandLine) -> None:
    owner = await cli.json("source", "takeover")
    assert owner["host"].startswith("127.0.0.1:")
    assert "belongs to database" in await cli("source", "takeover")
    assert await cli.json("marks", "rebuild") == {"owed": 0}
    assert "No such command" in await cli("source", "give", expect=2)
