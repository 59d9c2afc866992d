"""What the command line says while something is away, or set wrongly: within three seconds, and what it is."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

import pytest
from redis import Redis

from archival_cli.__main__ import main
from dev.servers.processes import Process
from dev.servers.valkey import ValkeyServer
from tests.faults.proxy import Weather, proxied
from tests.kit.timers import never

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

ROOT = Path(__file__).parents[2]
#: Within three seconds, and something for a machine that does other things as well.
SOON = 4.0


@contextmanager
def host(service: Service, folder: Path, **settings: str) -> Iterator[str]:
    """The service in the functions host; yields its address."""
    folder.mkdir()
    environment = {**os.environ, **service.names, **never(), "LOCAL_FUNCTION_KEY": "key", **settings}
    ready = folder / "ready"
    command = [sys.executable, "-m", "dev.functions_host", str(ROOT), "--ready-file", str(ready), "--no-local-settings"]
    with Process(command, folder / "host.log", env=environment, cwd=ROOT) as process:
        process.wait_until(ready.exists, "the host")
        url = ready.read_text()
        # the first request of a process waits for its imports
        with suppress(HTTPError):
            urlopen(f"{url}/api/health/ready").close()
        yield url


async def call(url: str, *arguments: str) -> tuple[int, str, float]:
    """Exit code, all that is said, and seconds until the end. The lake lives in this loop, so the loop goes on meanwhile."""
    return await asyncio.to_thread(_call, url, arguments)


def _call(url: str, arguments: tuple[str, ...]) -> tuple[int, str, float]:
    told = io.StringIO()
    environment = {"ARCHIVAL_API_URL": url, "ARCHIVAL_API_KEY": "key", "COLUMNS": "200"}
    started = time.monotonic()
    with patch.dict(os.environ, environment), redirect_stdout(told), redirect_stderr(told):
        code = main(arguments)
    return code, " ".join(told.getvalue().split()), time.monotonic() - started


async def test_a_wrong_setting_is_named(service: Service, tmp_path: Path) -> None:
    with host(service, tmp_path / "host", LAKE_URL="archive") as url:
        code, told, seconds = await call(url, "status")
        assert code == 3
        assert "LAKE_URL: must be https://" in told
        assert seconds < SOON
        code, told, _ = await call(url, "jobs", "--wait", "0")
        assert code == 3
        assert "LAKE_URL: must be https://" in told


async def test_a_wrong_password_is_told_with_its_cause(service: Service, tmp_path: Path) -> None:
    parts = urlsplit(service.url)
    wrong = urlunsplit(parts._replace(netloc=f"{parts.username}:wrong@{parts.hostname}:{parts.port}"))
    with host(service, tmp_path / "host", SOURCE_DATABASE_URL=wrong) as url:
        code, told, seconds = await call(url, "status")
        assert code == 1
        assert re.search(r"ledger.*password authentication failed", told), told
        assert "archives not known" in told, "what is not known is no zero"
        assert seconds < SOON
        for arguments in (("jobs",), ("chunks", "public.readings"), ("why", "public.readings"), ("policies",)):
            code, told, seconds = await call(url, *arguments, "--wait", "0")
            assert code == 3, arguments
            assert "password authentication failed" in told, told
            assert seconds < 2 * SOON, arguments


@pytest.mark.slow
async def test_redis_comes_back_and_a_command_goes_on(service: Service, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey, host(service, tmp_path / "host", REDIS_URL=valkey.url) as url:
        while (await call(url, "status"))[0] != 0:
            pass  # the first look of a process may be a slow one
        # it accepts connections and answers nothing
        Redis.from_url(valkey.url).client_pause(8000)
        time.sleep(1.1)  # what was said a second ago is still good
        code, told, seconds = await call(url, "status")
        assert code == 1
        assert "redis does not answer" in told
        assert "source, ledger, queue, lake: ok" in told
        assert seconds < SOON
        code, told, _ = await call(url, "events", "--wait", "60")
        assert code == 0, told
        assert "the event stream is empty" in told


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("queue", "black_hole", marks=pytest.mark.slow),
        pytest.param("lake", "refuse", marks=pytest.mark.slow),
        pytest.param("queue", "refuse", marks=pytest.mark.slow),
        pytest.param("lake", "black_hole", marks=pytest.mark.slow),
    ],
)
async def test_queue_and_lake_are_named_and_what_needs_neither_goes_on(
    service: Service, tmp_path: Path, name: str, kind: Literal["refuse", "black_hole"]
) -> None:
    service.execute(
        "create table $s.readings (time timestamptz not null) partition by range (time);"
        "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')"
    )
    setting = {"queue": "AzureWebJobsStorage", "lake": "LAKE_URL"}[name]
    [port] = re.findall(r"127\.0\.0\.1:(\d+)", service.names[setting])
    async with proxied(int(port)) as proxy:
        through = service.names[setting].replace(f":{port}", f":{proxy.port}")
        with host(service, tmp_path / "host", **{setting: through}) as url:
            while (await call(url, "status"))[0] != 0:
                pass  # the first look of a process may be a slow one
            proxy.weather = Weather(kind)
            if kind == "refuse":
                await proxy.close()
            await asyncio.sleep(1.1)  # what was said a second ago is still good
            code, told, seconds = await call(url, "status")
            assert code == 1, told
            assert re.search(rf"{name} does not answer since [^;]+: .+; it is asked again by itself", told), told
            others = ", ".join(one for one in ("source", "ledger", "redis", "queue", "lake") if one != name)
            assert f"{others}: ok" in told
            assert seconds < SOON
            for arguments in (("jobs",), ("hypertables",), ("policies",)):
                code, told, seconds = await call(url, *arguments, "--wait", "0")
                assert (code, seconds < SOON) == (0, True), told
            # a change that needs it is not begun; archives are asked for without the lake
            code, told, seconds = await call(url, "archive", f"{service.schema}.readings", "--older-than", "1d", "--wait", "0")
            assert seconds < SOON, told
            assert (code, "Nothing was done" in told) == ((3, True) if name == "queue" else (0, False)), told
            if kind == "black_hole":
                proxy.heal()
                while (await call(url, "status"))[0] != 0:
                    pass
