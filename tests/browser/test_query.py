"""The view of questions: asked, drawn, saved, sent as an address, and refused in clear words."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.history import HOSTILE
from tests.browser.pages import go, opened, ready

if TYPE_CHECKING:
    from tests.browser.history import Shown

DAYS = "SELECT time::date AS day, count(*) AS number, 'x' AS word FROM demo.readings GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def page(chromium: Browser, shown: Shown) -> Iterator[Page]:
    with opened(chromium, shown, "#/query") as found:
        yield found


def ask(page: Page, sql: str) -> None:
    """Type a question, and run it by the keyboard."""
    editor = page.get_by_label("SQL")
    editor.fill(sql)
    editor.press("Control+Enter")


def test_archived_and_live_rows_are_one_answer_with_a_chart_and_what_was_read(page: Page) -> None:
    ask(page, f"{DAYS};")
    rows = page.locator(".rows tbody tr")
    expect(rows).to_have_count(12)
    expect(rows.first).to_contain_text("2026-01-01")
    expect(rows.first).to_contain_text("2000")
    made = page.locator("#view section > p.muted").first
    expect(made).to_contain_text("12 rows, at")
    # six are in the lake alone; what is in both is read where it is cheaper
    expect(made).to_contain_text(re.compile(r"\d+ of \d+ archives read"))
    expect(made).to_contain_text("rows from the database")
    chart = page.get_by_label("The rows as a drawing")
    chart.focus()
    expect(page.locator(".drawing .readout")).to_have_text("day 2026-01-12: number 2,000")
    chart.press("Home")
    expect(page.locator(".drawing .readout")).to_have_text("day 2026-01-01: number 2,000")
    page.get_by_label("over").select_option("word")
    expect(page.locator(".drawing rect")).to_have_count(12)
    assert "x=word" in page.url


READ = {
    "table": "demo.readings",
    "conditions": ["time < '2026-01-02'"],
    "live_rows": 0,
    "chunks": [{"chunk": "demo.readings_2026_01_12", "is_read": False}],
    "archives": [
        {"chunk": f"demo.readings_2026_01_0{day}", "archive": f"tables/{day}", "rows": 2000, "bytes": 90_000}
        | {"begin": f"2026-01-0{day}T00:00:00Z", "end": f"2026-01-0{day}T23:59:17Z", "is_read": day == 1}
        | {"why": None if day == 1 else "range", "row_groups": int(day == 1), "row_groups_read": int(day == 1)}
        | {"bytes_read": 40_000 if day == 1 else 0}
        for day in (1, 2)
    ],
}


def test_what_was_read_and_what_was_pruned_is_shown_where_the_service_tells(page: Page) -> None:
    """Its answers are the service's own, with what a service that explains adds to them."""

    def explained(route: Route) -> None:
        explains = (route.request.post_data_json or {}).get("explain", False)
        answer = route.fetch(post_data={"sql": "SELECT 1 AS n"}).json()
        route.fulfill(json={**answer, "tables": [READ] if explains else None})

    page.route("**/api/queries", explained)
    ask(page, "SELECT 1 AS n")
    expect(page.locator(".rows td")).to_have_text("1")
    page.get_by_role("button", name="What was read").click()
    read = page.locator(".reading")
    expect(read.locator("summary")).to_have_text(
        "demo.readings: 1 of 2 archives, 0 of 1 chunk in the database, 0 rows from there"
    )
    expect(read.locator("tbody tr").nth(0)).to_contain_text("1 of 1 row group")
    expect(read.locator("tbody tr").nth(1)).to_contain_text("pruned by its range of time")


def test_what_is_to_be_known_of_an_answer_is_said_above_its_rows(page: Page) -> None:
    """Its answer is the service's own, with a note as a service gives it that knows of a former table."""
    note = {"code": "former-table", "message": f"2 archives of a former table {HOSTILE}", "hypertable": "a.b", "archives": 2}

    def noted(route: Route) -> None:
        answer = route.fetch()
        assert answer.json()["notes"] == []
        route.fulfill(json={**answer.json(), "notes": [note] if "noted" in (route.request.post_data or "") else []})

    page.route("**/api/queries", noted)
    ask(page, "SELECT 1 AS noted")
    expect(page.locator(".notes")).to_have_text(f"Note: {note['message']}.")
    ask(page, "SELECT 1 AS n")
    expect(page.locator(".rows th")).to_contain_text("n")
    expect(page.locator(".notes")).to_have_text("")


def test_an_address_has_the_question_and_asks_nothing_by_itself(chromium: Browser, shown: Shown) -> None:
    asked: list[str] = []
    with opened(chromium, shown) as page:
        page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
        go(page, f"#/query?sql={quote(DAYS)}&max=100")
        expect(page.get_by_label("SQL")).to_have_value(DAYS)
        expect(page.get_by_label("Rows at most")).to_have_value("100")
        page.wait_for_timeout(1000)
        assert asked == []
        page.get_by_role("button", name="Run").click()
        expect(page.locator(".rows tbody tr")).to_have_count(12)
        # other views are looked at meanwhile, and the answer is still there
        go(page, "#/jobs")
        page.go_back()
        ready(page)
        expect(page.locator(".rows tbody tr")).to_have_count(12)


def test_what_is_cut_off_says_so_and_the_file_has_all(page: Page, tmp_path: Path) -> None:
    page.get_by_label("Rows at most").select_option("100")
    ask(page, "SELECT sequence, note, price FROM demo.readings ORDER BY sequence")
    expect(page.locator(".rows tbody tr")).to_have_count(100)
    expect(page.locator("#view")).to_contain_text("the limit of rows has cut the answer off")
    expect(page.locator(".rows .null").first).to_have_text("NULL")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as CSV").click()
    file = tmp_path / "rows.csv"
    waiting.value.save_as(file)
    with file.open(newline="") as opened_file:
        lines = list(csv.reader(opened_file))
    assert (lines[0], len(lines)) == (["sequence", "note", "price"], 24_001)
    expect(page.locator("[role=status]", has_text="The file has every row.")).to_be_visible()


def test_a_table_is_offered_with_its_columns(page: Page) -> None:
    page.get_by_label("Table").select_option("demo.readings")
    editor = page.get_by_label("SQL")
    expect(editor).to_have_value('SELECT *\nFROM demo.readings\nORDER BY "time" DESC\nLIMIT 100')
    page.get_by_role("button", name="Its columns").click()
    page.get_by_label("Columns").get_by_role("button", name="temperature").click()
    expect(editor).to_have_value(re.compile("LIMIT 100temperature$"))
    expect(editor).to_be_focused()


def test_what_is_not_understood_or_not_allowed_is_said_in_words(page: Page) -> None:
    said = page.get_by_role("alert").filter(has=page.locator("strong"))
    ask(page, "SELECT nothing FROM demo.readings")
    expect(said).to_contain_text("This is not understood query-invalid")
    ask(page, "DELETE FROM demo.readings")
    expect(said).to_contain_text("This is not a question that only reads tables query-refused")
    ask(page, "SELECT 1 AS one")
    expect(page.locator(".rows td")).to_have_text("1")
    expect(said).to_have_count(0)


def test_an_error_does_not_stand_beside_the_rows_of_another_question(page: Page) -> None:
    said = page.get_by_role("alert").filter(has=page.locator("strong"))
    rows = page.locator(".rows td")
    ask(page, "SELECT 1 AS one")
    expect(rows).to_have_text("1")
    # one that is too long for an address is told by no address which question it is
    long = f"SELECT '{'x' * 6000}' AS x, nothing"
    ask(page, long)
    expect(said).to_contain_text("query-invalid")
    expect(rows).not_to_be_visible()
    ask(page, "SELECT 1 AS one")
    expect(page.get_by_role("button", name="Run")).to_be_enabled()
    expect(rows).to_be_visible()
    ask(page, "SELECT nothing")
    expect(said).to_contain_text("query-invalid")
    expect(rows).not_to_be_visible()
    # back at the question before, its rows are there and the error is not
    page.go_back()
    expect(rows).to_be_visible()
    expect(said).to_have_count(0)
    expect(page.get_by_label("SQL")).to_have_value("SELECT 1 AS one")


def test_an_error_goes_although_somebody_went_back_before_the_tables_were_there(page: Page) -> None:
    said = page.get_by_role("alert").filter(has=page.locator("strong"))
    ask(page, "SELECT 1 AS one")
    expect(page.locator(".rows td")).to_have_text("1")
    # the update for the next question's address waits for the tables, and the one for the address before does not
    page.route("**/dashboard/hypertables", lambda _: None, times=1)
    ask(page, "SELECT nothing")
    expect(said).to_contain_text("query-invalid")
    page.go_back()
    expect(said).to_have_count(0)
    expect(page.get_by_label("SQL")).to_have_value("SELECT 1 AS one")


def test_rows_of_before_say_so_where_the_same_question_has_no_answer(page: Page) -> None:
    ask(page, "SELECT 1 AS one")
    expect(page.locator(".rows td")).to_have_text("1")
    older = page.get_by_text("These rows are of before")
    busy = json.dumps({"status": 429, "code": "query-busy", "detail": "ask again"})
    page.route("**/api/queries", lambda route: route.fulfill(status=429, content_type="application/problem+json", body=busy))
    ask(page, "SELECT 1 AS one")
    expect(page.get_by_role("alert").filter(has=page.locator("strong"))).to_contain_text("Too many questions at a time")
    expect(older).to_be_visible()
    page.unroute("**/api/queries")
    ask(page, "SELECT 1 AS one")
    expect(older).not_to_be_visible()
    expect(page.locator(".rows td")).to_have_text("1")


def test_where_questions_are_off_it_says_how_they_are_switched_on(page: Page) -> None:
    detail = "questions are not answered here until the setting QUERY_ROLE names the role that they read tables as"

    def off(route: Route) -> None:
        problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "code": "queries-off", "detail": detail}
        route.fulfill(status=403, content_type="application/problem+json", body=json.dumps(problem))

    page.route("**/api/queries", off)
    ask(page, "SELECT 1")
    said = page.get_by_role("alert").filter(has=page.locator("strong"))
    expect(said).to_contain_text("Questions are switched off here")
    expect(said).to_contain_text("QUERY_ROLE")


def test_hostile_rows_are_text(page: Page) -> None:
    ask(page, f"SELECT '{HOSTILE}' AS \"{HOSTILE}\", 1 AS n")
    expect(page.locator(".rows td").first).to_have_text(HOSTILE)
    assert page.locator("main img").count() == 0


def test_what_takes_long_can_be_left(page: Page) -> None:
    page.route("**/api/queries", lambda _: None)
    ask(page, "SELECT 1")
    page.get_by_role("button", name="Stop waiting").click()
    expect(page.get_by_role("alert").filter(has=page.locator("strong"))).to_contain_text("Nobody waits for it any more")
    expect(page.get_by_role("button", name="Run")).to_be_enabled()
