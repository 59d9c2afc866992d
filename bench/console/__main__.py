"""`make bench ARGS=--console`: the console's requests and views with 10,000 chunks and 100,000 jobs, in Chromium too."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx
import psycopg
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from bench.console.fill import fill_ledger, fill_source
from dev.stack.stack import Stack
from dev.stack.state import State

_JOBS: Final = 100_000
_ONE: Final = "readings.site_4"
_REQUESTS: Final = {
    "overview": "dashboard/overview",
    "timeline, 90 days": "dashboard/timeline?days=90",
    "hypertables": "dashboard/hypertables",
    "chunks, all of a hypertable": f"dashboard/chunks?hypertable={_ONE}",
    "chunks with what happens next, 100": f"chunks?hypertable={_ONE}&limit=100",
    "chunks of a hypertable in both, 100": f"chunks?hypertable={_ONE}&state=archived&in_database=true",
    "chunks that are due, 100": "dashboard/due",
    "why, of a hypertable": f"chunks/why?hypertable={_ONE}",
    "why, of a chunk": f"chunks/why?hypertable={_ONE}&chunk={_ONE}_600",
    "jobs, 100": "jobs?limit=100",
    "jobs, open failures": "jobs?status=failed&open=true&limit=100",
    "dead letters": "dead-letters",
    "audit": "audit",
    "findings": "verifications",
}
_VIEWS: Final = {
    "overview": "",
    "hypertables": "#/hypertables",
    "one hypertable": f"#/hypertable?name={_ONE}",
    "chunks in both": f"#/chunks?hypertable={_ONE}&state=archived&in_database=true",
    "a chunk": f"#/chunk?hypertable={_ONE}&chunk={_ONE}_600",
    "jobs": "#/jobs",
}
#: The moment at which the page has its figures, in milliseconds since it was asked for: looks from outside come too seldom.
_CLOCK: Final = """new MutationObserver(() => {
  if (document.querySelector("#board[aria-busy=false]:not([hidden])")) globalThis.shownAt ??= performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true })"""
#: What would change the ledger meanwhile is told to run in January.
_RESTS: Final = "0 0 0 1 1 *"
_TIMERS: Final = ("DRAIN", "COMMIT", "REMOVAL", "VERIFY", "RECONCILE")

#: Milliseconds, by what was asked: the median and the worst.
Figures = dict[str, tuple[float, float]]


def main(arguments: list[str]) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=--console", description="The console beside a large ledger.")
    parser.add_argument("--times", type=int, default=9, help="how often each is asked for")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    parser.add_argument("--keep", action="store_true", help="wait, with the address and the key, until Enter")
    asked = parser.parse_args(arguments)
    console = Console(stderr=asked.json)
    with tempfile.TemporaryDirectory(prefix="console-") as folder:
        given = {f"{name}_SCHEDULE": _RESTS for name in _TIMERS}
        with Stack(State(Path(folder), "bench"), given, fresh=True) as stack:
            addresses = {name: str(value) for name, value in stack.addresses.items()}
            fill_source(addresses["source_database_url"])
            stack.host.start()
            api, key = addresses["api_url"], addresses["function_key"]
            with httpx.Client(headers={"x-functions-key": key}, timeout=120) as client:
                client.get(f"{api}/jobs?limit=1").raise_for_status()
                with psycopg.connect(addresses["ledger_database_url"], autocommit=True) as connection:
                    fill_ledger(connection, _JOBS)
                requests = {name: _asked(client, f"{api}/{path}", asked.times) for name, path in _REQUESTS.items()}
            views = _views(api, key, asked.times)
            console.print(_report("a request", requests))
            console.print(_report("a view in Chromium", views))
            if asked.keep:
                console.input(f"{api}/dashboard with the key {key}; Enter ends it ")
    if asked.json:
        print(json.dumps({"requests": requests, "views": views}))
    return 0


def _asked(client: httpx.Client, url: str, times: int) -> tuple[float, float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        client.get(url).raise_for_status()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), max(taken)


def _views(api: str, key: str, times: int) -> Figures:
    """From the address to all figures: by a browser that was never there, and for the overview by one that was."""
    path = os.environ.get("TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    found: Figures = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--headless=new", "--no-sandbox", "--disable-gpu"])
        for name, view in _VIEWS.items():
            first, again = zip(*(_opened(browser, f"{api}/dashboard{view}", key) for _ in range(times)), strict=True)
            found[name] = statistics.median(first), max(first)
            found[f"{name}, again"] = statistics.median(again), max(again)
        browser.close()
    return found


def _opened(browser: Browser, address: str, key: str) -> tuple[float, float]:
    context = browser.new_context()
    context.add_init_script(_CLOCK)
    context.add_init_script(f"sessionStorage.setItem('archival-service-key', '{key}')")
    taken = []
    for _ in range(2):
        page = context.new_page()
        page.goto(address, wait_until="commit")
        page.locator("#board[aria-busy=false]").wait_for()
        taken.append(float(page.evaluate("shownAt")))
        page.close()
    context.close()
    return taken[0], taken[1]


def _report(of: str, figures: Figures) -> Table:
    report = Table(title=f"{of}: milliseconds, median and worst", show_edge=False)
    for name in ("", "median", "worst"):
        report.add_column(name, justify="left" if not name else "right")
    for name, (median, worst) in figures.items():
        report.add_row(name, f"{median:.0f}", f"{worst:.0f}")
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
