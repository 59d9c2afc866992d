"""WCAG 2.2 AA: what axe-core sees in each view and dialog, and what a keyboard reaches, in which order, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dev.servers import npm
from tests.browser.pages import go, opened
from tests.browser.views import VIEWS, history_of

if TYPE_CHECKING:
    from tests.browser.history import Shown

#: Deque's rules for WCAG, which browsers' own tools use as well: https://github.com/dequelabs/axe-core
_AXE = "4.14.1"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """tags => axe.run(document, { runOnly: { type: "tag", values: tags } }).then(({ violations }) =>
  violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.slice(0, 3).map(({ html, any }) =>
    html.slice(0, 160) + " | " + any.map(({ message }) => message).join("; ").slice(0, 200)) })))"""
#: Everything that is visible and can have the focus, in the order of the document.
_REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled && e.tabIndex >= 0
    && !(e.type === "radio" && !e.checked) && !e.closest("details:not([open]) > :not(summary)"))
  .map((e) => { e.dataset.tested ??= String(Math.random()); return e.dataset.tested; })"""
#: What Tab reaches after something that stands wholly below it; another column to the right begins at its top.
_UPWARDS = """() => {
  const boxes = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((e) => e.id !== "skip" && e.checkVisibility({ visibilityProperty: true }) && !e.disabled && e.tabIndex >= 0)
    .map((e) => [e.outerHTML.slice(0, 120), e.getBoundingClientRect()]);
  const goesUp = (box, before) => box.bottom <= before.top && box.left < before.right;
  return boxes.filter(([, box], place) => place && goesUp(box, boxes[place - 1][1])).map(([html]) => html);
}"""
#: A second reason beside those that are there.
TWO_GROUPS = """
insert into archival.job (kind, hypertable, chunk, status, settled, attempt, request_key, requested_by, finished_at, announced,
                          error)
values ('archive', 'demo.readings', 'demo.focus', 'failed', true, 1, 'focus/1', 'test', now(), true,
        '{"code": "lake-refused", "message": "refused", "transient": false}')
"""
_FOCUSED = """() => {
  const e = document.activeElement;
  const box = e.getBoundingClientRect();
  const seen = e.matches("input[type=radio]") ? e.nextElementSibling : e;
  const style = getComputedStyle(seen);
  return { id: e.dataset.tested ?? "", html: e.outerHTML.slice(0, 120), outlined: style.outlineStyle !== "none",
    inside: box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight };
}"""


@cache
def _axe() -> str:
    return (npm.installed("axe-core", _AXE) / "axe-core" / "axe.min.js").read_text()


def violations(page: Page) -> Any:
    """What axe-core finds in what is shown now."""
    page.evaluate(_axe())
    return page.evaluate(_RUN, _TAGS)


@pytest.fixture(autouse=True)
def history(shown: Shown) -> None:
    """Something in each view."""
    history_of(shown)


@pytest.fixture
def page(chromium: Browser, shown: Shown) -> Iterator[Page]:
    with opened(chromium, shown, reduced_motion="reduce") as found:
        yield found


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (360, "dark"),
        pytest.param(360, "light", marks=pytest.mark.slow),
        pytest.param(1280, "light", marks=pytest.mark.slow),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_in_any_view(chromium: Browser, shown: Shown, scheme: str, width: int) -> None:
    screen = {"width": width, "height": 900}
    with opened(chromium, shown, viewport=screen, color_scheme=scheme, reduced_motion="reduce") as page:
        found = {}
        for name, address in VIEWS.items():
            go(page, address)
            expect(page.locator("#view h1").first).to_be_visible()
            found[name] = violations(page)
        assert {name: one for name, one in found.items() if one} == {}


def test_axe_finds_nothing_in_dialogs_answers_and_the_form_for_the_key(page: Page) -> None:
    page.get_by_role("button", name="Pause the intake").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    go(page, VIEWS["chunk"])
    page.get_by_role("button", name="Remove …").click()
    expect(page.get_by_role("dialog").locator(".preview")).to_contain_text("Leaves")
    assert violations(page) == []
    page.keyboard.press("Escape")
    go(page, VIEWS["dead-letters"])
    page.get_by_text("What came").first.click()
    assert violations(page) == []
    go(page, VIEWS["query"])
    page.get_by_label("SQL").fill("SELECT time::date AS day, count(*) AS n FROM demo.readings GROUP BY ALL")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".rows tbody tr")).to_have_count(12)
    assert violations(page) == []
    # the tests' own key is not put back
    page.evaluate("() => sessionStorage.setItem('seen', 'yes')")
    page.get_by_role("button", name="Forget key").click()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()
    assert violations(page) == []


# a few of them
@pytest.mark.parametrize(
    "name", [name if place % 5 == 0 else pytest.param(name, marks=pytest.mark.slow) for place, name in enumerate(VIEWS)]
)
def test_tab_reaches_everything_in_the_order_of_the_page_and_shows_where_it_is(page: Page, name: str) -> None:
    go(page, VIEWS[name])
    expect(page.locator("#view h1").first).to_be_visible()
    page.wait_for_timeout(300)
    page.evaluate("() => { document.activeElement.blur(); getSelection().removeAllRanges(); }")
    reachable = page.evaluate(_REACHABLE)
    assert len(reachable) > 8
    page.locator("#skip").focus()
    met = [page.evaluate(_FOCUSED)]
    for _ in reachable[1:]:
        page.keyboard.press("Tab")
        met.append(page.evaluate(_FOCUSED))
    assert [one["id"] for one in met] == reachable, [one["html"] for one in met]
    assert [one["html"] for one in met if not (one["outlined"] and one["inside"])] == []


def test_a_dialog_keeps_the_focus_and_gives_it_back(page: Page) -> None:
    button = page.get_by_role("button", name="Pause the intake")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog).to_have_attribute("aria-labelledby", "dialog-title")
    for _ in range(6):
        page.keyboard.press("Tab")
        inside = page.evaluate("() => document.activeElement === document.body || !!document.activeElement.closest('dialog')")
        assert inside
    page.keyboard.press("Escape")
    expect(button).to_be_focused()


@pytest.mark.slow
def test_pause_and_resume_keep_the_focus_through_their_dialogs_and_every_look(page: Page) -> None:
    """Who pauses by the keyboard stands on what resumes, and stays there while figures come in."""
    pause, resume = (page.get_by_role("button", name=name, exact=True) for name in ("Pause the intake", "Resume"))
    dialog = page.get_by_role("dialog")
    pause.focus()
    page.keyboard.press("Enter")
    # figures that come in behind the dialog take nothing from under it
    page.wait_for_timeout(6_000)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="Pause")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#paused")).to_have_text("Paused by function key")
    expect(resume).to_be_focused()
    page.wait_for_timeout(6_000)
    expect(resume).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(resume).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Resume").press("Enter")
    expect(page.locator("#paused")).to_be_hidden()
    expect(pause).to_be_focused()


@pytest.mark.slow
def test_buttons_over_the_jobs_keep_the_focus_while_figures_come_in(page: Page) -> None:
    go(page, "#/jobs?status=failed")
    button = page.get_by_role("button", name="Retry all of these")
    button.focus()
    page.wait_for_timeout(11_000)  # two rounds of figures
    expect(button).to_be_focused()


@pytest.mark.slow
def test_the_focus_stays_in_the_list_when_what_had_it_goes(page: Page, shown: Shown) -> None:
    shown.execute(TWO_GROUPS)
    try:
        go(page, "#/jobs")
        go(page, "#/")
        page.get_by_role("button", name="Dismiss lake-refused").focus()
        page.keyboard.press("Enter")
        page.get_by_role("dialog").get_by_label("Why").fill("known")
        # Enter does nothing until it is known what would happen
        expect(page.get_by_role("dialog").get_by_role("button", name="Dismiss")).to_be_enabled()
        page.keyboard.press("Enter")
        expect(page.locator("#failures")).not_to_contain_text("lake-refused")
        assert page.evaluate("() => !!document.activeElement.closest('#failures')")
    finally:
        shown.execute("delete from archival.job where request_key like 'focus/%'")


@pytest.mark.parametrize("width", [360, pytest.param(1280, marks=pytest.mark.slow)])
def test_tab_goes_down_the_page_as_it_is_seen(chromium: Browser, shown: Shown, width: int) -> None:
    with opened(chromium, shown, viewport={"width": width, "height": 900}, reduced_motion="reduce") as page:
        for name, address in VIEWS.items():
            go(page, address)
            expect(page.locator("#view h1").first).to_be_visible()
            assert page.evaluate(_UPWARDS) == [], name


def test_the_skip_link_and_a_new_view_lead_to_the_content(page: Page) -> None:
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#view")).to_be_focused()
    page.get_by_role("link", name="Audit").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Audit")).to_be_visible()
    expect(page.locator("#view")).to_be_focused()


def test_everything_fits_at_four_times_the_size(chromium: Browser, shown: Shown) -> None:
    # 1,280 pixels at 400 % are 320: WCAG 1.4.10
    with opened(chromium, shown, viewport={"width": 320, "height": 640}) as page:
        for name, address in VIEWS.items():
            go(page, address)
            expect(page.locator("#view h1").first).to_be_visible()
            assert page.evaluate("() => document.documentElement.scrollWidth") == 320, name
