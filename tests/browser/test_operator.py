"""What an operator looks for: what failed and why, what is refused and what to do, what a code means. A viewer's key looks at
everything too, and sees nothing that it may not press."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.pages import go, opened, ready, size
from tests.browser.views import VIEWS

if TYPE_CHECKING:
    from tests.browser.history import Shown

VIEWERS_KEY = "a-viewers-key"
#: Each of these changes something.
ACTIONS = "button.acts, .acts button, input.acts, .acts input"
#: Two reasons that somebody has to do something about or not, beside one chunk that nobody refuses.
REFUSALS = """
update archival.job set removal_tried_at = now(), removal_error = case when chunk ~ '07$'
    then '{"code": "sibling-not-archived", "message": "chunk x is not archived yet", "transient": true}'::jsonb
    else '{"code": "removal-blocked", "message": "view demo.v depends on it", "transient": false}' end
where status = 'archived' and kind = 'archive' and chunk ~ '0[789]$'
"""
#: Of the table of hypertables, in their order.
COLUMNS = [
    *("Hypertable", "In database", "Chunks there", "Of them in both", "In lake alone", "Oldest there", "Policy", "Behind"),
    *("Failed", "Freed", "This month", "Saved a month"),
]
FORGOTTEN = "update archival.job set removal_tried_at = null, removal_error = null where removal_error is not null"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"LOCAL_FUNCTION_KEYS": json.dumps(dict.fromkeys(("dashboard_data", "metrics", "management_read"), VIEWERS_KEY))}


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


def test_no_view_shows_a_viewer_what_a_viewer_may_not_do(chromium: Browser, shown: Shown) -> None:
    with opened(chromium, shown, key=VIEWERS_KEY) as page:
        expect(page.locator("#looks")).to_be_visible()
        for name, address in VIEWS.items():
            go(page, address)
            expect(page.locator("#view h1").first).to_be_visible()
            found = page.locator("#view").locator(ACTIONS)
            assert [one.inner_text() for one in found.all() if one.is_visible()] == [], name
        go(page, VIEWS["hypertable"])
        expect(page.get_by_label("Archived, days after a chunk's end")).to_be_disabled()


def test_an_operator_sees_all_of_it(page: Page) -> None:
    expect(page.locator("#looks")).to_be_hidden()
    for name in ("overview", "hypertable", "chunk", "dead-letters"):
        go(page, VIEWS[name])
        expect(page.locator("#view").locator("button.acts").first).to_be_visible()


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


def test_a_chunk_that_waits_for_siblings_names_them_and_leads_to_them(page: Page) -> None:
    """The answer is the service's own, with a next step as TimescaleDB's space partitions have it."""
    text = "waits for its sibling of the same range: demo.readings_2026_01_08, which is queued; leaves the database after that"
    waits = {"step": "remove", "because": "siblings", "text": text, "at": None, "code": "sibling-not-archived", "remedy": None}

    def beside(route: Route) -> None:
        found = route.fetch().json()
        if found["chunks"] and found["chunks"][0]["chunk"].endswith("07"):
            found["chunks"][0]["next_step"] = {**waits, "siblings": ["demo.readings_2026_01_08"]}
        route.fulfill(json=found)

    page.route("**/api/chunks/why?*", beside)
    go(page, "#/chunk?hypertable=demo.readings&chunk=demo.readings_2026_01_07")
    expect(page.locator(".step")).to_contain_text("Next: leaves the database, after its siblings")
    expect(page.locator(".step")).to_contain_text("which is queued")
    page.locator(".step").get_by_role("link", name="demo.readings_2026_01_08").click()
    ready(page)
    expect(page.get_by_role("heading", name="demo.readings_2026_01_08", exact=True)).to_be_visible()


def test_what_this_month_freed_is_told_in_all_and_for_each_hypertable_and_is_one_number(page: Page, shown: Shown) -> None:
    [found] = shown.rows("select sum(source_bytes)::bigint as freed from archival.job where status = 'removed'")
    freed = size(found["freed"])
    month = page.locator("#money div", has_text="Freed this month")
    expect(month).to_contain_text(re.compile(rf"^Freed this month{re.escape(freed)}, which would cost [\d.]+ USD a month$"))
    page.get_by_role("link", name="Of which hypertable").click()
    ready(page)
    # the other hypertable has freed nothing: the sum is that of the one
    expect(page.locator("tbody tr").first).to_contain_text("demo.readings")
    cells = page.locator("tbody tr").first.locator("td")
    expect(cells.nth(COLUMNS.index("This month"))).to_have_text(freed)
    expect(cells.nth(COLUMNS.index("Freed"))).to_have_text(freed)
    expect(page.locator("tbody tr").nth(1).locator("td").nth(COLUMNS.index("This month"))).to_have_text("0 B")
    expect(page.locator("#sums")).to_contain_text(f"In all {freed} freed")
    expect(page.locator("#sums")).to_contain_text(f"this month {freed} freed")
    go(page, "#/hypertable?name=demo.readings")
    facts = page.locator(".facts div", has_text="Freed this month")
    expect(facts).to_contain_text(re.compile(rf"^Freed this month{re.escape(freed)}, which would cost [\d.]+ USD a month$"))


# Requests of two people, more than a page of them.
AUDIT = """
insert into archival.audit (who, action, asked, outcome)
select case when i = 3 then 'carol@example.org' else 'dave@example.org' end, 'POST /jobs/retry',
       jsonb_build_object('hypertable', 'demo.table_' || i), 'done' from generate_series(1, 230) i
"""


def test_the_audit_is_searched_by_who_what_and_object_and_read_to_its_end(page: Page, shown: Shown) -> None:
    shown.execute(AUDIT)
    go(page, "#/audit")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(100)
    search = page.get_by_label("Search the audit")
    for text, first in (("CAROL", "demo.table_3"), ("demo.table_199", "dave@example.org"), ("jobs/retry", "demo.table_230")):
        search.fill(text)
        search.press("Enter")
        expect(rows.first).to_contain_text(first)
    expect(page).to_have_url(re.compile(r"text=jobs"))
    status = page.locator("#view [role=status]").first
    expect(status).to_have_text("Shown: the newest 100 with “jobs/retry” in them; there are older ones")
    for first in ("demo.table_130", "demo.table_30"):
        page.get_by_role("link", name="Older").click()
        expect(rows.first).to_contain_text(first)
    # the search goes along, and the end says that it is one
    expect(status).to_contain_text("to the first")
    expect(rows.last).to_contain_text("demo.table_1")
    expect(page.get_by_role("link", name="Older")).to_be_hidden()
    search.fill("nobody@example.org")
    search.press("Enter")
    expect(page.locator(".empty")).to_have_text("Nobody and nothing has that in it.")
    shown.execute("delete from archival.audit where who ~ 'example.org'")


def test_dismissed_failures_are_shown_with_who_and_why_and_wait_again_when_that_is_undone(page: Page) -> None:
    go(page, "#/jobs?status=failed&open=true")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Dismiss all of these").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".preview")).to_contain_text("2 jobs by this filter")
    dialog.get_by_label("Why").fill("a drill")
    dialog.get_by_role("button", name="Dismiss").click()
    expect(rows).to_have_count(0)
    page.get_by_label("Failures").select_option("dismissed")
    expect(rows).to_have_count(2)
    expect(page).to_have_url(re.compile("dismissed=true"))
    expect(rows.first).to_contain_text(re.compile(r"Dismissed [\d-]+ [\d:]+ UTC by function key: a drill"))
    expect(page.locator("#view [role=status]").first).to_have_text("2 jobs; shown: all 2")
    # one by its own page, the other by the list
    rows.first.locator("a.mono").click()
    ready(page)
    expect(page.locator("#view .banner")).to_contain_text("by function key: a drill")
    page.get_by_role("button", name="Undo the dismissal").click()
    dialog.get_by_role("button", name="Undo the dismissal").click()
    expect(page.get_by_role("button", name="Dismiss …")).to_be_focused()
    go(page, "#/jobs?status=failed&dismissed=true")
    page.get_by_role("button", name="Undo the dismissal of all of these").click()
    expect(dialog.get_by_role("heading")).to_have_text("Undo dismissals")
    expect(dialog.locator(".preview")).to_contain_text("1 job by this filter")
    dialog.get_by_role("button", name="Undo the dismissal").click()
    expect(rows).to_have_count(0)
    go(page, "#/")
    expect(page.locator("#reasons")).to_contain_text("2 failed jobs")


# A chunk that is there, and whose archive failed for a reason that has passed.
FAILED = """
insert into archival.job (kind, hypertable, chunk, range_start, range_end, status, settled, attempt, request_key, requested_by,
                          finished_at, announced, error)
values ('archive', 'demo.readings', 'demo.readings_2026_01_10', '2026-01-10T00:00:00Z', '2026-01-11T00:00:00Z', 'failed', true,
        5, 'operator/1', 'test', now(), true, '{"code": "database", "message": "it was away", "transient": true}')
"""


def test_a_chunk_whose_archive_failed_is_retried_where_it_is_looked_at(page: Page, shown: Shown) -> None:
    shown.execute(FAILED)
    go(page, "#/chunk?hypertable=demo.readings&chunk=demo.readings_2026_01_10")
    expect(page.locator(".step")).to_contain_text("is not tried again by itself: it was away. database")
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator("#toast")).to_have_text("It is queued again.")
    shown.wait_for(lambda: shown.rows("select from archival.job where request_key = 'operator/1' and status = 'archived'"))
    expect(page.locator(".place.there")).to_have_count(2)


def test_a_pause_shows_at_once_and_promises_no_end_of_what_is_due(page: Page) -> None:
    """The service's answer is some seconds old: here it never hears of the pause."""

    def old(route: Route) -> None:
        found = route.fetch().json()
        found["intake"] = {"paused": False, "reason": None, "changed_by": None, "changed_at": "2026-01-01T00:00:00Z"}
        found["backlog"] |= {"due": 41, "queued": 0, "running": 0, "per_hour": 60, "done_at": "2100-01-01T00:00:00Z"}
        route.fulfill(json=found)

    page.route("**/dashboard/overview", old)
    go(page, "#/?days=14")
    expect(page.locator("#waiting-note")).to_contain_text("41 due; done in about")
    page.get_by_role("button", name="Pause the intake").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("archived chunks still leave the database when they are due")
    dialog.get_by_role("button", name="Pause").click()
    expect(page.locator("#paused")).to_have_text("Paused by function key")
    expect(page.locator("#waiting-note")).to_have_text("0 queued, 0 at work, 41 due; what is due waits until somebody resumes")
    page.get_by_role("button", name="Resume").click()
    dialog.get_by_role("button", name="Resume").click()
    expect(page.locator("#paused")).to_be_hidden()


def test_the_time_of_many_chunks_is_said_to_be_that_of_the_first(page: Page, shown: Shown) -> None:
    shown.execute(
        "insert into archival.policy (hypertable, archive_after, remove_after)"
        " values ('demo.readings', '900 years', '950 years')"
    )
    try:
        go(page, "#/hypertable?name=demo.readings")
        reasons = page.locator("section", has=page.get_by_role("heading", name="What happens next"))
        expect(reasons).to_contain_text("The first of them leaves the database on")
        expect(reasons).to_contain_text("The first of them is archived on")
    finally:
        shown.execute("delete from archival.policy where hypertable = 'demo.readings'")


def test_dismissed_failures_are_reached_from_the_failures(page: Page) -> None:
    page.get_by_role("link", name="Dismissed failures").click()
    ready(page)
    expect(page.get_by_label("Failures")).to_have_value("dismissed")
