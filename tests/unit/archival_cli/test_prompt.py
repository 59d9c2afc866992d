"""The prompt of `archival sql`, and what begins with a point in the place of its SQL."""

from __future__ import annotations

import io
import json
import readline
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archival_cli.__main__ import main
from archival_cli.command import Session
from archival_cli.commands.questions.asking import Question
from archival_cli.commands.questions.direct import Direct
from archival_cli.commands.questions.prompt import prompt
from archival_cli.commands.questions.statements import is_blank, is_whole
from tests.unit.archival_cli.test_patience import a_service

FIGURES = {"seconds": 0, "archives_read": 0, "archives": 0, "bytes_read": 0, "live_rows": 0}
KNOWN = {"hypertables": [{"hypertable": "demo.readings"}, {"hypertable": "demo.events"}]}


class Asked:
    """Answers questions with no rows, and keeps them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fetched(self, sql: str, *_: Any, explain: bool = False) -> tuple[bytes, dict[str, str]]:
        self.asked.append(f"explain: {sql}" if explain else sql)
        return b'{"columns": [], "rows": [], "tables": []}', {"archival-query-figures": json.dumps(FIGURES)}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    monkeypatch.setenv("ARCHIVAL_CONFIG", str(tmp_path / "settings" / "profiles.json"))
    asked = Asked()
    monkeypatch.setattr(Direct, "from_environment", lambda: asked)
    return asked


@pytest.fixture
def url() -> Iterator[str]:
    with a_service(lambda _: (200, KNOWN)) as url:
        yield url


def _prompted(asked: Asked, url: str, monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[str]:
    """What the prompt shows before each line."""
    given, shown = iter(lines), list[str]()

    def answer(before: str) -> str:
        shown.append(before.strip())
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", answer)
    session = Session()
    session.url, session.key = url, "key"
    assert prompt(session, Question(None, (), asked)) == 0  # type: ignore[arg-type]
    return shown


def test_a_statement_ends_with_a_semicolon_of_its_own(asked: Asked, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _prompted(asked, url, monkeypatch, "", "SELECT ';", "', 1; -- and so on", "  ", "SELECT 2;")
    assert shown == ["archival>", "archival>", "...>", "archival>", "archival>", "archival>"]
    assert asked.asked == ["SELECT ';\n', 1; -- and so on", "SELECT 2"]


@pytest.mark.parametrize("word", ["quit", "exit", ".quit", ".exit;", "QUIT"])
def test_it_ends_as_people_end_it(word: str, asked: Asked, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _prompted(asked, url, monkeypatch, word, "SELECT 1;") == ["archival>"]


def test_commands_need_no_semicolon_and_may_have_one(
    asked: Asked, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (
        ".tables;",
        "help",
        ".explain",
        ";",
        "-- nothing",
        ".explain SELECT 1",
        ";",
        ".schema readings",
        ".schema public.plain;",
    )
    shown = _prompted(asked, url, monkeypatch, *lines)
    assert shown.count("...>") == 1, "what is explained is a statement, and ends as one"
    told = capsys.readouterr()
    assert told.out.splitlines()[:2] == ["demo.readings", "demo.events"]
    helped = [line for line in told.err.splitlines() if line.startswith(".tables lists tables")]
    assert len(helped) == 1
    assert "there is nothing to explain" in told.err
    assert told.err.count("there is no statement: write a SELECT") == 2
    assert asked.asked == ["explain: SELECT 1", "DESCRIBE demo.readings", "DESCRIBE public.plain"]


def test_history_is_kept_for_its_owner_alone_and_without_secrets(
    asked: Asked, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    readline.clear_history()
    _prompted(asked, url, monkeypatch, "SELECT 1;", "", "SELECT 'password=x';")
    file = tmp_path / "settings" / "sql_history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().split("\n")[-2:] == ["SELECT 1;", ""]
    readline.clear_history()
    _prompted(asked, url, monkeypatch, "SELECT 2;")
    assert [readline.get_history_item(place) for place in (1, 2)] == ["SELECT 1;", "SELECT 2;"]


def test_commands_are_taken_as_an_argument_and_from_the_standard_input(
    asked: Asked, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sql", ".tables", "--url", url]) == 0
    assert capsys.readouterr().out.splitlines() == ["demo.readings", "demo.events"]
    assert main(["sql", ".tables", "--url", url, "-o", "csv"]) == 0
    assert capsys.readouterr().out.splitlines() == ["hypertable", "demo.readings", "demo.events"]
    assert main(["sql", ".help"]) == 0
    assert ".schema TABLE shows columns" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO(".schema readings\n"))
    assert main(["sql", "--url", url, "--direct"]) == 0
    assert main(["sql", ".explain SELECT 1", "--direct"]) == 0
    assert asked.asked == ["DESCRIBE demo.readings", "explain: SELECT 1"]
    assert main(["sql", ".tables", "--file", "rows.csv"]) == 2
    assert main(["sql", ".nothing"]) == 2


@pytest.mark.parametrize("sql", ["-- a comment\nSELECT 1", "--a comment\nSELECT 1"])
def test_sql_may_begin_with_a_comment(sql: str, asked: Asked) -> None:
    assert main(["sql", sql, "--direct"]) == 0
    assert [one.strip() for one in asked.asked] == [sql]


@pytest.mark.parametrize("sql", ["", ";", " ; ;\n", "-- a comment", "/* a; comment */;"])
def test_where_there_is_no_statement_that_is_said(sql: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", sql]) == 2
    assert capsys.readouterr().err == "there is no statement: write a SELECT\n"


@pytest.mark.parametrize(
    ("sql", "whole"),
    [
        ("SELECT 1;", True),
        ("SELECT 1; -- one", True),
        ("SELECT 1; /* one", False),
        ("SELECT 1 -- one;", False),
        ("SELECT 'it''s;", False),
        ("SELECT 'it''s;';", True),
        (r"SELECT E'it\'s;", False),
        (r"SELECT 'it\';", True),
        ('SELECT 1 AS "a;', False),
        ("SELECT $$;", False),
        ("SELECT $a$; $$; $a$;", True),
        ("SELECT '--';", True),
    ],
)
def test_a_semicolon_inside_a_text_or_a_comment_ends_nothing(sql: str, whole: bool) -> None:
    assert is_whole(sql) == whole
    assert not is_blank(sql)
