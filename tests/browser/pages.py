"""How the tests open the console and look at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from tests.browser.history import Shown

WAIT = 60_000
UNNAMED = """() => {
  const named = (e) => e.ariaLabel || e.textContent || e.labels?.length || e.hasAttribute("aria-labelledby");
  const all = [...document.querySelectorAll("a, button, input, select, summary, [tabindex]")];
  return all.filter((e) => e.checkVisibility() && e.id !== "view" && !named(e)).map((e) => e.outerHTML);
}"""

#: What has more in it than it shows, and neither wraps nor is made to scroll: the rows of an answer, and fields, may.
CUT = """() => [...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible")
  .filter((e) => !e.closest(".unseen, .skip, .result") && !e.matches("textarea, input, select"))
  .map((e) => e.outerHTML.slice(0, 120))"""


@contextmanager
def opened(chromium: Browser, shown: Shown, address: str = "", key: str = "", **options: Any) -> Iterator[Page]:
    """The console with its figures, by the service's key or another; anything that the browser complains of fails the test."""
    context = chromium.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    page.add_init_script(
        f"sessionStorage.getItem('seen') || sessionStorage.setItem('archival-service-key', '{key or shown.key}')"
    )
    page.goto(f"{shown.api}/dashboard{address}")
    ready(page)
    yield page
    # a view asks once more by itself, and a request that is on its way has no answer when the page is gone
    page.unroute_all(behavior="ignoreErrors")
    context.close()
    # what the service refuses on purpose is in the browser's log, too
    unexpected = [text for text in complaints if "the server responded with a status of 4" not in text]
    assert not unexpected, unexpected


def ready(page: Page) -> None:
    """Wait until the view has its data."""
    expect(page.locator("#board")).to_have_attribute("aria-busy", "false")


def go(page: Page, address: str) -> None:
    """To another view, as by a link, and wait until it has its data."""
    written = page.evaluate("address => { location.hash = address; return location.hash }", address)
    expect(page.locator("#board")).to_have_attribute("data-address", written)
    ready(page)


def size(value: int) -> str:
    """As the page writes it."""
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5 or unit == "GB":
            digits = 0 if unit == "B" or amount >= 99.95 else 1 if amount >= 9.995 else 2
            return f"{amount:.{digits}f} {unit}"
        amount /= 1000
    raise AssertionError


def take_picture(page: Page, folder: Path, name: str) -> None:
    """Into `folder`, or where PAGE_PICTURES says; `make picture` says docs/."""
    folder = Path(os.environ.get("PAGE_PICTURES") or folder)
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)
