"""Each view fits every screen, in both schemes, and its controls have names; and the picture of the README."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect
from redis import Redis

from tests.browser.conftest import HOSTILE
from tests.browser.pages import UNNAMED, go, opened, take_picture

if TYPE_CHECKING:
    from tests.browser.conftest import Shown

# What the service did in an afternoon, as if it had taken a fortnight; the pictures show a history then.
A_FORTNIGHT = """
with place as (
    select job_id, row_number() over (order by chunk) as number,
           greatest(9 - row_number() over (order by chunk), 0) * interval '36 hours' as ago
    from archival.job where status in ('archived', 'removed')
)
update archival.job j
set finished_at = finished_at - ago, started_at = started_at - ago, removed_at = removed_at - ago + interval '1 day',
    source_bytes = source_bytes * 100 * (4 + number * 5 % 7),
    parquet_bytes = parquet_bytes * 100 * (3 + number % 4)
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
        '{"code": "database", "message": "the database: canceling statement due to user request", "transient": true}');
"""
VIEWS = {
    "overview": "#/",
    "hypertables": "#/hypertables",
    "hypertable": "#/hypertable?name=demo.readings",
    "chunk": "#/chunk?hypertable=demo.readings&chunk=demo.readings_2026_01_07",
    "jobs": "#/jobs",
    "job": "#/job?id=00000000-0000-4000-8000-000000000001",
    "dead-letters": "#/dead-letters",
    "verification": "#/verification",
    "audit": "#/audit",
}


@pytest.fixture(autouse=True)
def history(shown: Shown) -> None:
    """A fortnight, and a job at work on a chunk of its own."""
    if not shown.rows("select from archival.job where status = 'running'"):
        shown.execute(A_FORTNIGHT)
        shown.execute(AT_WORK)


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
            # everything that can be reached has a name
            assert page.evaluate(UNNAMED) == [], name
            take_picture(page, tmp_path, f"console-{name}-{scheme}-{width}")


def test_the_picture_for_the_readme(chromium: Browser, shown: Shown, tmp_path: Path) -> None:
    shown.execute(f"drop table demo.\"{HOSTILE}\"; delete from archival.job where hypertable ~ 'img'")
    with Redis.from_url(shown.redis) as redis:
        redis.xtrim("archival.events.dead", maxlen=1, approximate=False)
    with opened(chromium, shown, viewport={"width": 1280, "height": 900}, reduced_motion="reduce") as page:
        page.get_by_text("14 days").click()
        expect(page.locator("#chart-readout")).to_contain_text("In 14 days")
        expect(page.locator("#nav-dead")).to_have_text("1")
        take_picture(page, tmp_path, "dashboard")
