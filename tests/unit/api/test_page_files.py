"""The page's files: what is served, with which headers, and what they may not do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archival_core.api import page_files

STATIC = Path(__file__).parents[3] / "archival_core" / "api" / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))


@pytest.mark.parametrize("file", sorted(file.name for file in STATIC.iterdir()))
def test_every_file_is_served_with_strict_headers(file: str) -> None:
    answer = page_files.answer(file, None)
    assert answer is not None
    assert answer.body == (STATIC / file).read_bytes()
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["img-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    again = page_files.answer(file, answer.headers["etag"])
    assert again is not None
    assert (again.status_code, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["", ".", "..", "../page_files.py", "nothing.js", "page.html/", "%2e%2e", "/etc/passwd"])
def test_nothing_else_is(name: str) -> None:
    assert page_files.answer(name, None) is None


def test_the_page_asks_for_nothing_from_elsewhere_and_has_no_script_of_its_own() -> None:
    html = (STATIC / "page.html").read_text()
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//""", html) == []
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", html) == []
    for name in re.findall(r'(?:src|href)="dashboard/static/([^"]+)"', html):
        assert (STATIC / name).is_file()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_scripts_never_make_html_of_text(script: Path) -> None:
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", script.read_text()
    )
    assert found == []
    for name in re.findall(r'from "\./([\w.]+)"', script.read_text()):
        assert (STATIC / name).is_file()
    assert "localStorage" not in script.read_text()


def test_files_are_small() -> None:
    assert {file.name: lines for file in STATIC.iterdir() if (lines := file.read_text().count("\n")) >= 200} == {}
