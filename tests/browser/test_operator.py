"""What an operator looks for: what failed and why, what is refused and what to do, what a code means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import go, opened, ready

if TYPE_CHECKING:
    from tests.browser.conftest import Shown

#: Two reasons that somebody has to do something about or not, beside one chunk that nobody refuses.
REFUSALS = """
update archival.job set removal_tried_at = now(), removal_error = case when chunk ~ '07$'
    then '{"code": "sibling-not-archived", "message": "chunk x is not archived yet", "transient": true}'::jsonb
    else '{"code": "removal-blocked", "message": "view demo.v depends on it", "transient": false}' end
where status = 'archived' and kind = 'archive' and chunk ~ '0[789]$'
"""
FORGOTTEN = "update archival.job set removal_tried_at = null, removal_error = null where removal_error is not null"


@pytest.fixture
def page(chromium: Browser, shown: Shown) -> Iterator[Page]:
    with opened(chromium, shown) as found:
        yield found


@pytest.fixture
def refused(shown: Shown) -> Iterator[None]:
    """Three archived chunks that are refused, for two reasons."""
    shown.execute(REFUSALS)
    yield
    shown.execute(FORGOTTEN)


@pytest.mark.usefixtures("refused")
def test_refused_removals_are_told_by_reason_each_with_its_list(page: Page) -> None:
    reasons = page.locator("#reasons")
    # what waits for its siblings goes by itself, and needs nobody
    expect(reasons).to_contain_text("2 removals refused: 2 removal-blocked")
    expect(reasons).to_contain_text("2 failed jobs: 2 unknown-chunk")
    groups = page.locator("#refusals li")
    expect(groups).to_have_count(2)
    expect(groups.nth(0)).to_contain_text("2 removal-blocked")
    expect(groups.nth(0)).to_contain_text("view demo.v depends on it")
    expect(groups.nth(0)).to_contain_text("A view, a foreign key or something else depends on the chunk.")
    expect(groups.nth(0).locator(".remedy")).to_have_text("Drop what depends on it, or let it point elsewhere.")
    groups.nth(1).get_by_role("link", name="1 sibling-not-archived").click()
    ready(page)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("2026-01-07")
    page.go_back()
    ready(page)
    reasons.get_by_role("link", name="2 removals refused").click()
    ready(page)
    expect(page.locator("#view [role=status]").first).to_have_text("2 jobs; shown: all 2")
    expect(page.get_by_label("Not removed for")).to_have_value("removal-blocked")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody tr").first).to_contain_text("not removed: removal-blocked view demo.v depends on it")


@pytest.mark.usefixtures("refused")
def test_a_code_leads_to_what_it_means_and_what_to_do_wherever_it_stands(page: Page, shown: Shown) -> None:
    [job] = shown.rows("select job_id from archival.job where status = 'failed' and chunk ~ '13$'")
    [refused] = shown.rows("select job_id from archival.job where chunk ~ '08$' and status = 'archived'")
    for address, code in (
        ("#/", "unknown-chunk"),
        ("#/", "removal-blocked"),
        ("#/jobs?status=failed", "unknown-chunk"),
        (f"#/job?id={job['job_id']}", "unknown-chunk"),
        (f"#/job?id={refused['job_id']}", "removal-blocked"),
        ("#/dead-letters", "invalid-event"),
    ):
        go(page, address)
        page.get_by_role("link", name=code, exact=True).first.click()
        ready(page)
        expect(page).to_have_url(f"{shown.api}/dashboard#/errors?code={code}")
        expect(page.locator(".step h2")).to_have_text(code)
        expect(page.locator("#view")).to_be_focused()
    page.get_by_role("link", name="Dead letters with it").click()
    ready(page)
    expect(page.locator(".letters li")).to_have_count(1)
    # where one job is looked at, the explanation stands in place
    go(page, f"#/job?id={refused['job_id']}")
    expect(page.locator(".banner .remedy")).to_have_text("Drop what depends on it, or let it point elsewhere.")
    go(page, "#/errors")
    page.get_by_label("Search error codes").fill("SQL_ASCII")
    expect(page.locator("tbody tr:visible")).to_have_count(1)
    expect(page.locator("tbody tr:visible")).to_contain_text("unsupported-encoding")
