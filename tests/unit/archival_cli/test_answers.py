"""Answers of questions as tables: every column, NULL and empty text apart, and what has no room named."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from cProfile import Profile
from pstats import Stats
from typing import Any

import pytest
from rich.cells import cell_len

from archival_cli.command import Session
from archival_cli.commands.questions.answers import show
from archival_cli.commands.questions.asking import Question

MOMENT, UUID = "2026-11-01T08:00:00.123456Z", "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10"
HEADERS = {
    "archival-query-figures": json.dumps({"seconds": 0, "archives_read": 0, "archives": 0, "bytes_read": 0, "live_rows": 0})
}


class Answered:
    """Answers every question with `rows`."""

    def __init__(self, columns: dict[str, str], rows: list[list[Any]]) -> None:
        self._answer = {"columns": [{"name": name, "type": kind} for name, kind in columns.items()], "rows": rows}

    def fetched(self, *_: Any, **__: Any) -> tuple[bytes, dict[str, str]]:
        return json.dumps(self._answer).encode(), HEADERS


def _shown(columns: dict[str, str], rows: list[list[Any]], form: Any = "table") -> list[str]:
    session = Session()
    session.form = form
    written = io.StringIO()
    with redirect_stdout(written):
        show(session, "SELECT", Question(None, (), Answered(columns, rows)))  # type: ignore[arg-type]
    return re.sub(r"\x1b\[[\d;]*m", "", written.getvalue()).splitlines()


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))


@pytest.mark.parametrize("form", ["table", "wide"])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_columns_without_a_value_are_there_and_null_is_no_empty_text(
    form: str, is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_terminal:
        _on_a_terminal(monkeypatch, 80)
    assert _shown({"a": "INTEGER", "b": "VARCHAR", "c": "VARCHAR"}, [[None, "", "x"]], form) == ["a     b  c", "NULL     x"]
    assert _shown({"b": "VARCHAR", "c": "VARCHAR"}, [["", ""]], form) == ["b  c", ""]


def test_null_is_dim_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    _on_a_terminal(monkeypatch, 80)
    written = io.StringIO()
    with redirect_stdout(written):
        show(Session(), "SELECT", Question(None, (), Answered({"a": "INTEGER"}, [[None]])))  # type: ignore[arg-type]
    assert "\x1b[2mNULL\x1b[0m" in written.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_an_answer_fits_its_terminal_and_what_goes_is_named(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _on_a_terminal(monkeypatch, width)
    columns = {f"column_{number}": "VARCHAR" for number in range(15)}
    shown = _shown(columns, [[MOMENT if number % 2 else UUID for number in range(15)]] * 2)
    assert max(map(cell_len, shown)) <= width
    there = shown[0].split()
    assert there == list(columns)[: len(there)], "the later ones go"
    assert len(shown) == 3, "no value is broken"
    told = " ".join(re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().err).split())
    assert f"no room for {15 - len(there)} columns ({', '.join(list(columns)[len(there) :])})" in told
    assert "-o wide, csv or json" in told


def test_long_texts_and_titles_are_broken_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    _on_a_terminal(monkeypatch, 60)
    shown = _shown({"id": "INTEGER", "t" * 50: "VARCHAR", "u" * 70: "VARCHAR"}, [[1, "abcd" * 60, "x"]])
    assert max(map(cell_len, shown)) <= 60
    letters = "".join(shown)
    assert letters.count("a") == 60
    assert letters.count("t") == 50


def test_a_single_column_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    _on_a_terminal(monkeypatch, 20)
    assert max(map(cell_len, _shown({"id": "UUID"}, [[UUID]]))) <= 20


def test_a_row_is_laid_out_with_few_calls() -> None:
    columns = {f"column_{number}": "VARCHAR" for number in range(15)}
    rows = [[f"value {row}", *[MOMENT] * 14] for row in range(500)]
    with Profile() as profile:
        assert len(_shown(columns, rows)) == 501
    # of each value: it has 18, and had 104. Calls are the same on every machine, as seconds are not
    assert Stats(profile).total_calls / (500 * 15) < 35  # type: ignore[attr-defined]
