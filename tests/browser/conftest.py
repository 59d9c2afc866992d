"""The whole stack with something to see, and Chromium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.history import Shown, gone_on, once

_ARGUMENTS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

#: The first is the same browser without a window, and takes three fifths of the processor's time.
_NAMES = ("chromium-headless-shell", "chromium", "google-chrome")

#: In seconds, for each test with what it stands on: a machine that does other things takes minutes for a whole stack.
_PATIENCE = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder have a longer time."""
    below = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(below):
            item.add_marker(pytest.mark.timeout(_PATIENCE))


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the history of every module's service lies."""
    own = tmp_path_factory.getbasetemp()
    # all workers have it together
    return once(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """What a module's service has besides the settings of every one."""
    return {}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, chromium: Browser, past: Path, settings: dict[str, str]) -> Iterator[Shown]:
    """Six chunks removed, three archived, two failed, and two dead letters, one of each with a hostile name."""
    with gone_on(past, tmp_path_factory.mktemp("stack"), settings) as service:
        yield service


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The Chromium of this machine, or the one named by TEST_CHROMIUM; without one the test is skipped, visibly."""
    path = os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None or not Path(path).exists():
        pytest.skip("needs Chromium: install it, or set TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def figures(shown: Shown) -> dict[str, int]:
    """What the page has to show, by plain SQL over the jobs."""
    [found] = shown.rows(
        "select count(*) filter (where status = 'removed') as removed,"
        " sum(source_bytes) filter (where status = 'removed')::bigint as freed,"
        " sum(parquet_bytes)::bigint as kept, sum(source_bytes)::bigint as source, sum(rows)::bigint as rows"
        " from archival.job where status in ('archived', 'removed')"
    )
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]
