"""What the page says while the queue or the lake is silent, and that it recovers by itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from dev.lake_emulator import DEFAULT_ACCOUNT, DEFAULT_KEY
from dev.servers.azurite import AzuriteServer
from dev.servers.processes import Process
from dev.stack.owner import disown
from dev.stack.state import ROOT
from tests.browser.history import lake_of
from tests.browser.pages import opened

if TYPE_CHECKING:
    from tests.browser.history import Shown

#: Within three seconds, and something for a machine that does other things as well.
SOON = 4.5


@dataclass(frozen=True)
class Servers:
    """A queue and a lake that can be made silent."""

    settings: dict[str, str]
    pids: dict[str, int]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, past: Path) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    port_file = folder / "lake.port"
    shutil.copytree(lake_of(past), folder / "lake")
    disown(folder / "lake" / "archive")
    command: list[str | Path] = [sys.executable, "-m", "dev.lake_emulator", "--root", folder / "lake", "--port-file", port_file]
    with AzuriteServer(folder / "azurite") as azurite, Process(command, folder / "lake.log", cwd=ROOT) as lake:
        lake.wait_until(port_file.exists, "the lake emulator")
        assert azurite._process is not None
        given = {
            "AzureWebJobsStorage": azurite.connection_string,
            "LAKE_URL": f"http://127.0.0.1:{port_file.read_text()}/{DEFAULT_ACCOUNT}/archive",
            "LAKE_ACCOUNT_KEY": DEFAULT_KEY,
        }
        yield Servers(given, {"queue": azurite._process.pid, "lake": lake.pid})


@pytest.fixture(scope="module")
def settings(servers: Servers) -> dict[str, str]:
    return servers.settings


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lake", "queue"])
def test_what_is_silent_is_named_with_its_cause_and_comes_back(
    chromium: Browser, shown: Shown, servers: Servers, name: str
) -> None:
    title = {"queue": "Storage queue", "lake": "Data lake"}[name]
    with opened(chromium, shown) as page:
        expect(page.locator("#health li[data-state=ok]")).to_have_count(5)
        os.kill(servers.pids[name], signal.SIGSTOP)
        try:
            # the first look after that may be one that began before
            expect(page.locator("#trouble")).to_contain_text(
                re.compile(rf"{name} is away since [\d:]+: .+asks again by itself")
            )
            with page.expect_response("**/dashboard/overview") as waiting:
                began = time.monotonic()
                page.evaluate("() => document.dispatchEvent(new Event('changed'))")
            assert waiting.value.ok
            assert time.monotonic() - began < SOON
            item = page.locator("#health li", has_text=title)
            expect(item).to_contain_text("away since")
            expect(page.locator("#reasons")).to_contain_text(f"{name} does not answer")
            # what is known stays, and nothing unknown is none
            expect(page.locator("#freed-note")).to_have_text("6 chunks removed")
        finally:
            os.kill(servers.pids[name], signal.SIGCONT)
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#health li[data-state=ok]")).to_have_count(5)
