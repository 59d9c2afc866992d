"""A number leads to the list of what it counts, which is as long; and a line of the audit to what it was about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.pages import go, opened, ready, size
from tests.browser.test_operator import COLUMNS

if TYPE_CHECKING:
    from tests.browser.history import Shown

READINGS = "demo.readings"
#: A policy that wants the three days which nobody has asked for, while nothing is made of it.
POLICY = """
update archival.intake set paused = true;
insert into archival.policy (hypertable, archive_after, enabled) values ('demo.readings', interval '1 day', true);
"""
#: A change by the API, with the key of the page; returns the answer's status.
ASK = """([path, body]) => fetch(new URL(path, location.href.replace('/dashboard', '/')), { method: 'POST',
    body: JSON.stringify(body), headers: { 'content-type': 'application/json',
    'x-functions-key': sessionStorage.getItem('archival-service-key') } }).then((answer) => answer.status)"""
NO_POLICY = "delete from archival.policy; update archival.intake set paused = false"


@pytest.fixture
def page(chromium: Browser, shown: Shown) -> Iterator[Page]:
    with opened(chromium, shown) as found:
        yield found


@pytest.fixture
def policy(shown: Shown) -> Iterator[None]:
    shown.execute(POLICY)
    yield
    shown.execute(NO_POLICY)


def follow(page: Page, link: Locator, noun: str) -> None:
    """By the link to its list, which has as many entries as the link says; and back again."""
    number = re.search(r"\d+", link.inner_text())
    assert number is not None
    link.click()
    total = f"{number[0]} {noun}{'' if number[0] == '1' else 's'}"
    expect(page.locator("#view [role=status]").first).to_have_text(f"{total}; shown: all {number[0]}")
    ready(page)
    expect(page.locator("tbody tr")).to_have_count(int(number[0]))
    page.go_back()
    ready(page)


@pytest.mark.usefixtures("policy")
def test_each_number_leads_to_its_list(page: Page) -> None:
    follow(page, page.locator("#freed-note").get_by_role("link", name="6 chunks removed"), "job")
    archives = page.locator("#kept-note").get_by_role("link", name="9 archives")
    archives.click()
    ready(page)
    # several of a kind are a choice of their own
    expect(page.get_by_label("Status")).to_have_value("archived removed")
    page.go_back()
    ready(page)
    follow(page, archives, "job")
    due = page.locator("#waiting-note").get_by_role("link", name="3 due")
    expect(due).to_be_visible()
    follow(page, due, "chunk")
    go(page, "#/hypertables")
    cells = page.locator("tbody tr", has_text=READINGS).locator("td")
    for column, number in (("Chunks there", 6), ("Of them in both", 3), ("In lake alone", 6)):
        link = cells.nth(COLUMNS.index(column)).get_by_role("link")
        expect(link).to_have_text(str(number))
        follow(page, link, "chunk")
    # one job failed, of a chunk that is not there
    follow(page, cells.nth(COLUMNS.index("Failed")).get_by_role("link", name="1"), "job")
    go(page, f"#/hypertable?name={READINGS}")
    facts = page.locator(".facts")
    for number in (6, 3, 6):
        expect(facts.get_by_role("link", name=f"{number} chunks").first).to_be_visible()
    for place in range(3):
        follow(page, facts.get_by_role("link").nth(place), "chunk")
    reasons = page.locator("tbody tr")
    expect(reasons).to_have_count(3)
    for place in range(3):
        follow(page, reasons.nth(place).get_by_role("link").first, "chunk")


@pytest.mark.usefixtures("policy")
def test_hypertables_behind_their_policies_are_a_list_of_their_own(page: Page) -> None:
    page.locator("#reasons").get_by_role("link", name="1 hypertable behind its policy").click()
    ready(page)
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Show all").click()
    ready(page)
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_line_of_the_audit_leads_to_what_it_was_about(page: Page, shown: Shown) -> None:
    jobs = [row["job_id"] for row in shown.rows("select job_id from archival.job where status = 'failed' order by job_id")]
    for path, body in (
        ("jobs/dismiss", {"all": True, "reason": "a drill"}),
        ("jobs/undismiss", {"job_ids": [str(jobs[0])]}),
        ("jobs/undismiss", {"all": True}),
        ("verifications", {"hypertable": READINGS}),
    ):
        assert page.evaluate(ASK, [path, body]) < 300, path
    go(page, "#/audit")
    rows = page.locator("tbody tr")
    verified, one, both = rows.nth(0), rows.nth(2), rows.nth(3)
    follow(page, both.get_by_role("link", name="2 jobs"), "job")
    one.get_by_role("link", name=str(jobs[0])[:8]).click()
    ready(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(jobs[0])[:8])
    page.go_back()
    ready(page)
    verified.get_by_role("link", name=READINGS).click()
    ready(page)
    expect(page.get_by_role("heading", name=READINGS, exact=True)).to_be_visible()
    # what is done to all of a list is not done where the list cannot be told to the service
    go(page, "#/jobs?status=failed")
    expect(page.get_by_role("button", name="Retry all of these")).to_be_visible()
    for narrowed in ("audit=1", "removal_error_code=removal-blocked"):
        go(page, f"#/jobs?status=failed&{narrowed}")
        expect(page.get_by_role("button", name="Retry all of these")).to_have_count(0)


def test_what_is_brought_back_is_free_no_more_ever_or_this_month(page: Page, shown: Shown) -> None:
    def freed() -> str:
        [found] = shown.rows("select sum(source_bytes)::bigint as freed from archival.job where status = 'removed'")
        return size(found["freed"])

    def told() -> None:
        go(page, "#/")
        expect(page.locator("#freed")).to_have_text(freed())
        expect(page.locator("#money div", has_text="Freed this month")).to_contain_text(f"Freed this month{freed()}, which")
        go(page, "#/hypertables")
        cells = page.locator("tbody tr", has_text=READINGS).locator("td")
        expect(cells.nth(COLUMNS.index("Freed"))).to_have_text(freed())
        expect(cells.nth(COLUMNS.index("This month"))).to_have_text(freed())
        expect(page.locator("#sums")).to_contain_text(f"this month {freed()} freed")
        expect(page.get_by_role("columnheader", name="This month")).to_have_attribute(
            "title", re.compile("A restore takes it out")
        )

    before = freed()
    told()
    chunk = f"{READINGS}_2026_01_03"
    assert page.evaluate(ASK, ["restores", {"hypertable": READINGS, "chunk": chunk}]) == 202
    shown.wait_for(lambda: shown.rows("select from archival.job where kind = 'restore' and status = 'restored'"))
    assert freed() != before
    told()
