"""The console in a real Chromium, over a service that has archived, removed, failed and buried something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.history import HOSTILE, LATE
from tests.browser.pages import WAIT, go, opened, ready, size

if TYPE_CHECKING:
    from tests.browser.history import Shown

READINGS = "#/hypertable?name=demo.readings"


def chunk(day: str) -> str:
    return f"#/chunk?hypertable=demo.readings&chunk=demo.readings_2026_01_{day}"


@pytest.fixture
def page(chromium: Browser, shown: Shown) -> Iterator[Page]:
    with opened(chromium, shown) as found:
        yield found


def test_the_figures_are_those_of_the_ledger(page: Page, figures: dict[str, int]) -> None:
    expect(page.locator("#freed")).to_have_text(size(figures["freed"]))
    expect(page.locator("#freed-note")).to_have_text(f"{figures['removed']} chunks removed")
    expect(page.locator("#kept")).to_have_text(size(figures["kept"]))
    expect(page.locator("#kept-note")).to_contain_text(f"{figures['rows']:,} rows in 9 archives")
    expect(page.locator("#reasons")).to_contain_text("2 failed jobs")
    expect(page.locator("#reasons")).to_contain_text("2 dead letters")
    expect(page.locator("#health li[data-state=ok]")).to_have_count(5)
    expect(page.locator("#running-empty")).to_have_text("No job is at work.")
    expect(page.locator("#failures li")).to_have_count(1)
    expect(page.locator("#failures")).to_contain_text("2 unknown-chunk")
    expect(page.locator("#chart-readout")).to_contain_text("In 30 days 9 chunks")
    # each number is a link to the list that has it
    page.locator("#reasons").get_by_role("link", name="2 failed jobs").click()
    ready(page)
    expect(page.locator("tbody tr")).to_have_count(2)
    assert "status=failed" in page.url and "open=true" in page.url


def test_the_keyboard_reads_every_day(page: Page) -> None:
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


def test_the_map_is_read_and_opened_by_keyboard(page: Page) -> None:
    go(page, READINGS)
    track = page.get_by_label("Chunks of demo.readings", exact=True)
    readout = page.locator(".map .readout")
    expect(readout).to_have_text("3 in the database; 3 archived, in both; 6 removed, in the lake.")
    track.focus()
    track.press("Home")
    expect(readout).to_contain_text("2026-01-01: removed, in the lake, 2,000 rows")
    for _ in range(6):
        track.press("ArrowRight")
    expect(readout).to_contain_text("2026-01-07: archived, in both")
    track.press("+")
    expect(page).to_have_url(re.compile("from=.*to="))
    ready(page)
    track.press("0")
    expect(page).not_to_have_url(re.compile("from="))
    ready(page)
    track.press("Home")
    track.press("Enter")
    expect(page.get_by_role("heading", name="demo.readings_2026_01_01", exact=True)).to_be_visible()


def test_a_chunk_is_found_by_its_name_and_by_a_time(page: Page) -> None:
    for text in ("readings_2026_01_07", "2026-01-07", "2026-01-07 12:30"):
        go(page, READINGS)
        page.get_by_label("Find a chunk").fill(text)
        page.get_by_label("Find a chunk").press("Enter")
        expect(page.get_by_role("heading", name="demo.readings_2026_01_07", exact=True)).to_be_visible()
    go(page, READINGS)
    page.get_by_label("Find a chunk").fill("2030-01-01")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".find [role=status]")).to_contain_text("no chunk and no archive covers 2030-01-01")


def test_hypertables_are_sorted_and_searched_in_the_address(page: Page) -> None:
    page.get_by_role("link", name="Hypertables", exact=True).click()
    ready(page)
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_label("Search hypertables").fill("READ")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("q=READ"))
    expect(rows.first).to_contain_text("demo.readings")
    page.get_by_role("button", name="Freed").click()
    expect(page.get_by_role("columnheader", name="Freed")).to_have_attribute("aria-sort", "ascending")
    page.reload()
    ready(page)
    expect(rows).to_have_count(1)


def test_a_chunk_says_where_its_rows_are_and_what_happens_next(page: Page) -> None:
    go(page, chunk("01"))
    expect(page.locator(".step")).to_contain_text("Its rows are in the lake alone")
    expect(page.locator(".place.there")).to_have_count(1)
    expect(page.locator("tbody tr")).to_have_count(1)
    go(page, chunk("07"))
    expect(page.locator(".step")).to_contain_text("REMOVAL_POLICY is keep")
    expect(page.locator(".place.there")).to_have_count(2)
    page.get_by_role("button", name="Remove …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".preview")).to_contain_text("Leaves the database in the next minutes")
    # nothing moves until its name is typed
    expect(dialog.get_by_role("button", name="Remove")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    go(page, "#/chunk?hypertable=demo.readings&chunk=demo.nothing")
    expect(page.locator("#view")).to_contain_text("neither the source nor the ledger has a chunk demo.nothing")


def test_a_restore_shows_what_comes_back_asks_and_is_followed(page: Page, shown: Shown) -> None:
    go(page, chunk("06"))
    page.get_by_role("button", name="Restore …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".preview")).to_contain_text("1 archive, 2,000 rows")
    dialog.get_by_label("Type demo.readings_2026_01_06 to go on").fill("demo.readings_2026_01_06")
    dialog.get_by_role("button", name="Restore").click()
    expect(page.locator("#toast")).to_contain_text("1 restore asked for")
    shown.wait_for(lambda: shown.rows("select from archival.job where kind = 'restore' and status = 'restored'"))
    expect(page.locator(".step")).to_contain_text("Was restored")
    # what is freed follows
    go(page, "#/")
    expect(page.locator("#freed-note")).to_have_text("5 chunks removed")
    shown.execute("update archival.job set status = 'removed', restored_at = null where restored_at is not null")
    shown.execute("delete from archival.job where kind = 'restore'")
    # reconcile follows the mark, which says that the rows are back
    shown.wait_for(
        lambda: shown.rows("select from archival.job where chunk = 'demo.readings_2026_01_06' and status = 'archived'")
    )


def test_a_policy_is_looked_at_before_it_is_saved_and_typing_stays(page: Page) -> None:
    go(page, READINGS)
    archive = page.get_by_label("Archived, days after a chunk's end")
    archive.fill("7")
    archive.blur()
    page.wait_for_timeout(11_000)  # two rounds of figures
    expect(archive).to_have_value("7")
    page.get_by_role("button", name="Look and save …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".preview")).to_contain_text("Would archive 3 chunks")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#toast")).to_have_text("The policy of demo.readings is saved.")
    expect(page.get_by_role("button", name="Delete the policy")).to_be_visible()
    page.get_by_role("button", name="Delete the policy").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#toast")).to_have_text("The policy of demo.readings is deleted.")


def test_a_policy_of_years_keeps_its_ages_in_the_editor(page: Page, shown: Shown) -> None:
    shown.execute("insert into archival.policy values ('demo.readings', interval '945 days', interval '960 days')")
    go(page, READINGS)
    expect(page.get_by_label("Archived, days after a chunk's end")).to_have_value("945")
    # an empty field would say never, and saving anything would keep every chunk
    expect(page.get_by_label("Removed from the database, days after a chunk's end")).to_have_value("960")
    shown.execute("delete from archival.policy")


def test_the_lake_has_a_table_with_each_row_once(page: Page, shown: Shown) -> None:
    shown.wait_for(lambda: shown.rows("select from archival.lake_table where version is not null"))
    go(page, READINGS)
    lake = page.locator("section", has=page.get_by_role("heading", name="In the lake"))
    expect(lake).to_contain_text(re.compile(r"Version \d+ of .*: [\d,]+ rows in \d+ files of \d+ archives"))
    expect(lake.locator("pre")).to_contain_text("delta_scan(")


def test_everything_is_paused_with_who_and_why_and_is_in_the_audit(page: Page) -> None:
    page.get_by_role("button", name="Pause the intake").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("an upgrade")
    dialog.get_by_role("button", name="Pause").click()
    expect(page.locator("#intake")).to_contain_text("by function key: an upgrade")
    expect(page.locator("#paused")).to_have_text("Paused by function key")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    expect(page.locator("#paused")).to_be_hidden()
    page.get_by_role("link", name="Audit").click()
    ready(page)
    expect(page.locator("tbody tr").nth(1)).to_contain_text("POST /intake/pause")
    expect(page.locator("tbody tr").nth(1)).to_contain_text("reason: an upgrade")


def test_a_hostile_name_is_text_and_nothing_else(page: Page) -> None:
    go(page, "#/hypertables")
    expect(page.get_by_role("link", name=f'demo."{HOSTILE}"')).to_be_visible()
    go(page, "#/jobs?status=failed")
    expect(page.locator("tbody")).to_contain_text(f'"{HOSTILE}_2"')
    go(page, "#/dead-letters")
    page.get_by_text("What came").first.click()
    expect(page.locator(".letters")).to_contain_text(HOSTILE)
    assert page.locator("main img").count() == 0


def test_dead_letters_are_filtered_and_discarded_for_a_reason(page: Page) -> None:
    go(page, "#/dead-letters")
    expect(page.locator("#view [role=status]").first).to_have_text("2 dead letters; shown: all 2")
    go(page, "#/dead-letters?kind=message")
    expect(page.locator(".letters li")).to_have_count(1)
    expect(page.locator("#view [role=status]").first).to_have_text("2 dead letters in all; shown: the oldest 1")
    page.get_by_role("button", name="Discard all of these").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".preview")).to_have_text("1 dead letter")
    dialog.get_by_label("Why").fill("a test")
    dialog.get_by_label("Type discard to go on").fill("discard")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator(".letters li")).to_have_count(1)


def test_the_policy_lets_no_string_become_html(chromium: Browser, shown: Shown) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{shown.api}/dashboard")
    assert page.evaluate("() => { try { document.body.innerHTML = '<b></b>'; return false } catch { return true } }")
    context.close()


@pytest.mark.slow
def test_failures_are_chosen_and_dismissed_and_a_job_is_retried(page: Page, shown: Shown) -> None:
    shown.execute(f"create table {LATE} partition of demo.readings for values from ('2026-01-13Z') to ('2026-01-14Z')")
    go(page, "#/jobs?status=failed&open=true")
    page.locator("tbody tr", has_text=HOSTILE).get_by_role("checkbox").check()
    page.get_by_role("button", name="Dismiss 1 chosen").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".preview")).to_contain_text("1 job of those that are chosen")
    dialog.get_by_label("Why").fill("never there")
    dialog.get_by_role("button", name="Dismiss").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody tr a.mono").click()
    expect(page.locator(".banner a.code")).to_have_text("unknown-chunk")
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator("h1 .status")).to_have_text("archived")
    [job] = shown.rows(f"select * from archival.job where chunk = '{LATE}' and status = 'archived'")
    assert job["attempt"] == 2
    expect(page.locator("tbody tr")).not_to_have_count(0)
    go(page, "#/")
    expect(page.locator("#reasons")).not_to_contain_text("failed job")


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


@pytest.mark.slow
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


#: Somebody drops a chunk, and brings half of its rows again.
HALVED = """
create table demo.half as select * from demo.readings_2026_01_08 where time < '2026-01-08 12:00Z';
drop table demo.readings_2026_01_08;
create table demo.readings_2026_01_08 partition of demo.readings for values from ('2026-01-08Z') to ('2026-01-09Z');
insert into demo.readings table demo.half
"""


def test_what_became_of_rows_is_said_where_nobody_else_can_tell(page: Page, shown: Shown) -> None:
    shown.execute(HALVED)
    undecided = "select from archival.job where removal_error ->> 'code' = 'archive-undecided'"
    shown.wait_for(lambda: shown.rows(undecided))
    go(page, "#/")
    page.get_by_role("link", name="archive-undecided").first.click()
    go(page, "#/jobs?removal_error_code=archive-undecided")
    page.locator("tbody tr a.mono").click()
    page.get_by_role("button", name="Settle").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".preview")).to_have_text("Say what became of them.")
    dialog.get_by_label("Its rows were").select_option("dropped")
    expect(dialog.locator(".preview")).to_contain_text("Now some of its rows are in demo.readings.")
    expect(dialog.get_by_role("button", name="Settle")).to_be_disabled()
    dialog.get_by_label("Why").fill("I dropped it")
    dialog.get_by_role("button", name="Settle").click()
    expect(page.locator("h1 .status")).to_have_text("removed")
    [job] = shown.rows("select dropped_by from archival.job where chunk = 'demo.readings_2026_01_08' and status = 'removed'")
    assert job["dropped_by"] == "others"
