"""The page in a real Chromium, over a service that has archived, removed, failed and buried something."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect
from redis import Redis

if TYPE_CHECKING:
    from tests.browser.conftest import Shown

HOSTILE = "<img src=x onerror=alert(1)>"
LATE = "demo.readings_2026_01_13"
WAIT = 30_000

# What the service did in an afternoon, as if it had taken a fortnight; the pictures show a history then.
A_FORTNIGHT = """
with place as (
    select job_id, row_number() over (order by chunk) as number,
           greatest(9 - row_number() over (order by chunk), 0) * interval '36 hours' as ago
    from archival.job where status in ('archived', 'removed')
)
update archival.job j
set finished_at = finished_at - ago, started_at = started_at - ago, removed_at = removed_at - ago + interval '1 day',
    source_bytes = source_bytes * (4 + number * 5 % 7),
    parquet_bytes = parquet_bytes * (3 + number % 4)
from place where place.job_id = j.job_id;
select archival.count_again();
"""

# A large chunk in the middle, and one that could not be archived.
AT_WORK = """
insert into archival.job (job_id, kind, hypertable, chunk, range_start, range_end, status, settled, attempt, lease_until,
                          request_key, requested_by, started_at, progress)
values ('00000000-0000-4000-8000-000000000001', 'archive', 'demo.readings', 'demo.readings_2026_01_11', '2026-01-11T00:00:00Z',
        '2026-01-12T00:00:00Z', 'running', true, 1, now() + interval '1 hour', 'test/1', 'test', now() - interval '40 seconds',
        '{"parts": [1, 2, 3, 4, 5, 6, 7, 8]}');
insert into archival.part (job_id, number, part)
select '00000000-0000-4000-8000-000000000001', number, '{"rows": 200000}' from generate_series(0, 4) number;
insert into archival.job (kind, hypertable, chunk, range_start, range_end, status, settled, attempt, request_key, requested_by,
                          finished_at, announced, error)
values ('archive', 'demo.readings', 'demo.readings_2026_01_10', '2026-01-10T00:00:00Z', '2026-01-11T00:00:00Z', 'failed', true,
        5, 'test/2', 'test', now() - interval '3 minutes', true,
        '{"code": "database", "message": "the database: canceling statement due to user request"}');
"""

UNNAMED = """() => {
  const named = (e) => e.ariaLabel || e.textContent || e.labels?.length || e.hasAttribute("aria-labelledby");
  const all = [...document.querySelectorAll("a, button, input, summary, [tabindex]")];
  return all.filter((e) => e.checkVisibility() && !named(e)).map((e) => e.outerHTML);
}"""


@pytest.fixture
def page(chromium: Browser, shown: Shown) -> Iterator[Page]:
    """The page with its figures; anything that the console complains of fails the test."""
    yield from opened(chromium, shown)


def opened(chromium: Browser, shown: Shown, **options: Any) -> Iterator[Page]:
    context = chromium.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    page.goto(f"{shown.api}/dashboard")
    page.get_by_label("Key", exact=True).fill(shown.key)
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#board")).to_have_attribute("aria-busy", "false")
    yield page
    context.close()
    assert complaints == []


def size(value: int) -> str:
    """As the page writes it."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:.{digits}f} {unit}"
        value /= 1000  # type: ignore[assignment]
    raise AssertionError


def test_the_figures_are_those_of_the_ledger(page: Page, figures: dict[str, int]) -> None:
    expect(page.locator("#freed")).to_have_text(size(figures["freed"]))
    expect(page.locator("#freed-note")).to_have_text(f"{figures['removed']} chunks removed")
    expect(page.locator("#kept")).to_have_text(size(figures["kept"]))
    expect(page.locator("#kept-note")).to_have_text(f"{figures['rows']:,} rows in 9 archives")
    ratio = figures["source"] / figures["kept"]
    expect(page.locator("#ratio")).to_have_text(f"{ratio:.1f}×" if ratio < 9.95 else f"{ratio:.0f}×")
    expect(page.locator("#verdict")).to_have_text("2 things need attention")
    expect(page.locator("#reasons")).to_contain_text("2 failed jobs")
    expect(page.locator("#reasons")).to_contain_text("2 dead letters")
    expect(page.locator("#health li")).to_have_count(5)
    expect(page.locator("#health li[data-state=ok]")).to_have_count(5)
    expect(page.locator("#running-empty")).to_have_text("No job is at work.")
    article = page.locator("article", has=page.get_by_role("heading", name="demo.readings", exact=True))
    expect(article.locator(".readout")).to_have_text("3 in the database; 3 archived, in both; 6 removed, in the lake.")
    expect(page.locator("#chart-readout")).to_contain_text("In 30 days 9 chunks")


def test_the_keyboard_reads_every_chunk_and_every_day(page: Page) -> None:
    track = page.get_by_label("Chunks of demo.readings", exact=True)
    track.focus()
    track.press("Home")
    readout = page.locator("article", has=track).locator(".readout")
    expect(readout).to_contain_text("2026-01-01: removed, in the lake, 2,000 rows")
    for _ in range(6):
        track.press("ArrowRight")
    expect(readout).to_contain_text("2026-01-07: archived, in both")
    track.press("End")
    expect(readout).to_contain_text("2026-01-12: in the database.")
    chart = page.locator("#chart")
    chart.focus()
    expect(page.locator("#chart-readout")).to_contain_text("9 chunks archived")
    chart.press("ArrowLeft")
    expect(page.locator("#chart-readout")).to_contain_text("nothing")
    page.get_by_text("The same as a table").click()
    expect(page.locator("#chart-table tbody tr")).to_have_count(1)
    page.get_by_label("90 days").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("30 days")).to_be_checked()


def test_a_hostile_name_is_text_and_nothing_else(page: Page) -> None:
    expect(page.get_by_role("heading", name=f'demo."{HOSTILE}"')).to_be_visible()
    expect(page.locator("#failed")).to_contain_text(f'"{HOSTILE}_2"')
    expect(page.locator("#dead")).to_contain_text(HOSTILE)
    assert page.locator("main img").count() == 0


def test_the_policy_lets_no_string_become_html(chromium: Browser, shown: Shown) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{shown.api}/dashboard")
    assert page.evaluate("() => { try { document.body.innerHTML = '<b></b>'; return false } catch { return true } }")
    context.close()


def test_a_failed_job_is_retried_by_a_click(page: Page, shown: Shown) -> None:
    shown.execute(f"create table {LATE} partition of demo.readings for values from ('2026-01-13Z') to ('2026-01-14Z')")
    item = page.locator("#failed li", has_text=LATE)
    expect(item.locator(".reason")).to_contain_text("is not a chunk of demo.readings")
    item.get_by_role("button", name=re.compile("Retry")).click()
    expect(item).to_have_count(0)
    [job] = shown.wait_for(lambda: shown.rows(f"select * from archival.job where chunk = '{LATE}' and status = 'archived'"))
    assert job["attempt"] == 2
    expect(page.locator("#reasons")).to_contain_text("1 failed job")


def test_the_key_is_asked_for_once_and_forgotten_when_told(chromium: Browser, shown: Shown) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{shown.api}/dashboard")
    field = page.get_by_label("Key", exact=True)
    expect(field).to_be_focused()
    field.fill("wrong")
    field.press("Enter")
    expect(page.locator("#key-error")).to_have_text("This key is not accepted.")
    field.fill(shown.key)
    field.press("Enter")
    expect(page.locator("#verdict")).to_be_visible()
    assert shown.key not in page.url
    assert page.evaluate("() => [localStorage.length, document.cookie]") == [0, ""]
    page.reload()
    expect(page.locator("#verdict")).to_be_visible()
    page.get_by_role("button", name="Forget key").click()
    expect(field).to_be_visible()
    assert page.evaluate("() => sessionStorage.length") == 0
    context.close()


def test_it_says_when_it_cannot_refresh_and_comes_back(chromium: Browser, shown: Shown) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.add_init_script(f"sessionStorage.setItem('archival-service-key', '{shown.key}')")
    page.goto(f"{shown.api}/dashboard")
    expect(page.locator("#freshness")).to_have_attribute("data-state", "fresh")
    context.set_offline(True)
    expect(page.locator("#trouble")).to_contain_text("Cannot refresh: the service does not answer. What you see is from")
    expect(page.locator("#freshness-text")).to_contain_text("Not updated since")
    expect(page.locator("#verdict")).to_be_visible()
    context.set_offline(False)
    expect(page.locator("#trouble")).to_be_hidden()
    expect(page.locator("#freshness")).to_have_attribute("data-state", "fresh")
    context.close()


@pytest.fixture
def history(shown: Shown) -> None:
    """A fortnight, and a job at work on a chunk of its own."""
    if not shown.rows("select from archival.job where status = 'running'"):
        shown.execute(A_FORTNIGHT)
        shown.execute(AT_WORK)


def test_a_job_at_work_shows_how_far_it_is(chromium: Browser, shown: Shown, history: None) -> None:
    for page in opened(chromium, shown):
        item = page.locator("#running li")
        expect(item).to_contain_text("demo.readings 2026-01-11")
        expect(item.locator(".state")).to_contain_text("part 6 of 8, 1,000,000 rows safe")
        expect(item.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "63")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_it_fits(chromium: Browser, shown: Shown, history: None, tmp_path: Path, width: int, scheme: str) -> None:
    options = {"viewport": {"width": width, "height": 1000}, "color_scheme": scheme, "reduced_motion": "reduce"}
    for page in opened(chromium, shown, **options):
        page.get_by_text("14 days").click()
        expect(page.locator("#chart-readout")).to_contain_text("In 14 days")
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
        # everything that can be reached has a name
        assert page.evaluate(UNNAMED) == []
        take_picture(page, tmp_path, f"dashboard-{scheme}-{width}")


def test_the_picture_for_the_readme(chromium: Browser, shown: Shown, history: None, tmp_path: Path) -> None:
    shown.execute(f"drop table demo.\"{HOSTILE}\"; delete from archival.job where hypertable ~ 'img'")
    with Redis.from_url(shown.redis) as redis:
        redis.xtrim("archival.events.dead", maxlen=1, approximate=False)
    for page in opened(chromium, shown, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"):
        page.get_by_text("14 days").click()
        expect(page.locator("#chart-readout")).to_contain_text("In 14 days")
        expect(page.locator("#hypertables article")).to_have_count(1)
        expect(page.locator("#dead li")).to_have_count(1)
        take_picture(page, tmp_path, "dashboard")


def take_picture(page: Page, folder: Path, name: str) -> None:
    """Into `folder`, or where PAGE_PICTURES says; `make picture` says docs/."""
    folder = Path(os.environ.get("PAGE_PICTURES") or folder)
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)
