"""The page's files: what is served, with which headers, and what they may not do."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from fastapi.responses import Response

from archival_core.api.dashboard import page_files

STATIC = Path(__file__).parents[3] / "archival_core" / "api" / "static"
SCRIPTS = sorted(STATIC.rglob("*.js"))


NAMES = sorted(str(script.relative_to(STATIC)) for script in SCRIPTS)


def version() -> str:
    html = bytes(page_files.page(None).body).decode()
    [found] = set(re.findall(r"dashboard/static/(\w+)/", html))
    return str(found)


def strict(answer: Response) -> None:
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["img-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("name", [*NAMES, "icon.svg"])
def test_every_file_is_served_with_strict_headers_and_kept(name: str) -> None:
    answer = page_files.file(version(), name)
    assert answer is not None
    assert answer.body == (STATIC / name).read_bytes()
    strict(answer)
    assert "immutable" in answer.headers["cache-control"]
    # a page of yesterday gets it, too, and does not keep it
    overtaken = page_files.file("0" * 16, name)
    assert overtaken is not None
    assert overtaken.headers["cache-control"] == "no-cache"
    small = page_files.file(version(), name, "gzip, br")
    assert small is not None
    assert gzip.decompress(bytes(small.body)) == answer.body


def test_the_sheets_are_one_and_none_is_forgotten() -> None:
    answer = page_files.file(version(), "console.css")
    assert answer is not None
    for sheet in (STATIC / "styles").iterdir():
        assert sheet.read_bytes() in bytes(answer.body), sheet.name


def test_the_page_is_asked_for_again_each_time() -> None:
    answer = page_files.page(None)
    strict(answer)
    assert answer.headers["cache-control"] == "no-cache"
    again = page_files.page(answer.headers["etag"])
    assert (again.status_code, again.body) == (304, b"")


def test_the_page_names_every_script_of_the_first_view() -> None:
    """Otherwise a script waits until another has come that imports it."""
    html = bytes(page_files.page(None).body).decode()
    named = set(re.findall(rf'modulepreload" href="dashboard/static/{version()}/([^"]+)"', html))
    assert {"console.js", "views/overview.js", "parts/chart.js", "parts/cursor.js"} <= named < set(NAMES)
    for name in named:
        for imported in re.findall(r'^import .* from "([^"]+)"', (STATIC / name).read_text(), re.MULTILINE):
            assert str((STATIC / name).parent.joinpath(imported).resolve().relative_to(STATIC)) in named


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../page_files.py", "page.html", "views", "styles/page.css", "nothing.js", "%2e%2e", "/etc/passwd"]
)
def test_nothing_else_is(name: str) -> None:
    assert page_files.file(version(), name) is None


def test_the_page_asks_for_nothing_from_elsewhere_and_has_no_script_of_its_own() -> None:
    html = bytes(page_files.page(None).body).decode()
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//""", html) == []
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", html) == []
    for name in re.findall(rf'(?:src|href)="dashboard/static/{version()}/([^"]+)"', html):
        assert page_files.file(version(), name) is not None


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_scripts_never_make_html_of_text(script: Path) -> None:
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", script.read_text()
    )
    assert found == []
    imported = re.findall(r'(?:from |import\()"([^"]+)"', script.read_text())
    assert all((script.parent / name).is_file() for name in imported)
    assert "localStorage" not in script.read_text()


def test_files_are_small() -> None:
    assert {file.name: lines for file in STATIC.rglob("*.*") if (lines := file.read_text().count("\n")) >= 200} == {}
