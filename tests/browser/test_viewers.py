"""A viewer's key looks at everything, and sees nothing that it may not press."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import go, opened
from tests.browser.views import VIEWS

if TYPE_CHECKING:
    from tests.browser.conftest import Shown

KEY = "a-viewers-key"
#: Each of these changes something.
ACTIONS = "button.acts, .acts button, input.acts, .acts input"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"LOCAL_FUNCTION_KEYS": json.dumps(dict.fromkeys(("dashboard_data", "metrics", "management_read"), KEY))}


@pytest.fixture
def page(chromium: Browser, shown: Shown) -> Iterator[Page]:
    with opened(chromium, shown, key=KEY) as found:
        yield found


def test_no_view_shows_a_viewer_what_a_viewer_may_not_do(page: Page) -> None:
    expect(page.locator("#looks")).to_be_visible()
    for name, address in VIEWS.items():
        go(page, address)
        expect(page.locator("#view h1").first).to_be_visible()
        found = page.locator("#view").locator(ACTIONS)
        assert [one.inner_text() for one in found.all() if one.is_visible()] == [], name
    go(page, VIEWS["hypertable"])
    expect(page.get_by_label("Archived, days after a chunk's end")).to_be_disabled()


def test_an_operator_sees_all_of_it(chromium: Browser, shown: Shown) -> None:
    with opened(chromium, shown) as page:
        expect(page.locator("#looks")).to_be_hidden()
        for name in ("overview", "hypertable", "chunk", "dead-letters"):
            go(page, VIEWS[name])
            expect(page.locator("#view").locator("button.acts").first).to_be_visible()
