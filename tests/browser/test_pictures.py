"""Each view fits every screen, in both schemes, and its controls have names; and the picture of the README."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect
from redis import Redis

from tests.browser.history import HOSTILE
from tests.browser.pages import CUT, UNNAMED, go, opened, take_picture
from tests.browser.views import VIEWS, history_of

if TYPE_CHECKING:
    from tests.browser.history import Shown

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def history(shown: Shown) -> None:
    """A fortnight, and a job at work on a chunk of its own."""
    history_of(shown)


def test_a_job_at_work_shows_how_far_it_is(chromium: Browser, shown: Shown) -> None:
    with opened(chromium, shown) as page:
        item = page.locator("#running li")
        expect(item).to_contain_text("demo.readings 2026-01-11")
        expect(item.locator(".state")).to_contain_text("part 6 of 8, 1,000,000 rows safe")
        expect(item.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "63")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_every_view_fits(chromium: Browser, shown: Shown, tmp_path: Path, width: int, scheme: str) -> None:
    screen = {"width": width, "height": 1000}
    with opened(chromium, shown, viewport=screen, color_scheme=scheme, reduced_motion="reduce") as page:
        for name, address in VIEWS.items():
            go(page, address)
            expect(page.locator("#view h1").first).to_be_visible()
            assert page.evaluate("() => document.documentElement.scrollWidth") == width, name
            assert page.evaluate(CUT) == [], name
            # everything that can be reached has a name
            assert page.evaluate(UNNAMED) == [], name
            take_picture(page, tmp_path, f"console-{name}-{scheme}-{width}")


@pytest.mark.parametrize("width", [780, 1024, 1280])
def test_nothing_is_cut_off_between(chromium: Browser, shown: Shown, width: int) -> None:
    with opened(chromium, shown, viewport={"width": width, "height": 900}) as page:
        for name, address in VIEWS.items():
            go(page, address)
            expect(page.locator("#view h1").first).to_be_visible()
            assert page.evaluate("() => document.documentElement.scrollWidth") == width, name
            assert page.evaluate(CUT) == [], name


def test_the_picture_for_the_readme(chromium: Browser, shown: Shown, tmp_path: Path) -> None:
    shown.execute(f"drop table demo.\"{HOSTILE}\"; delete from archival.job where hypertable ~ 'img'")
    with Redis.from_url(shown.redis) as redis:
        redis.xtrim("archival.events.dead", maxlen=1, approximate=False)
    with opened(chromium, shown, viewport={"width": 1280, "height": 900}, reduced_motion="reduce") as page:
        page.get_by_text("14 days").click()
        expect(page.locator("#chart-readout")).to_contain_text("In 14 days")
        expect(page.locator("#nav-dead")).to_have_text("1")
        take_picture(page, tmp_path, "dashboard")
