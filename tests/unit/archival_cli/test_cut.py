"""What is said of an answer that a limit has cut off, and of a reader that has had enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from archival_cli.command import Session
from archival_cli.commands.questions.asking import Question, note
from archival_cli.commands.questions.direct import Direct

FIGURES = {"seconds": 1.0, "archives_read": 0, "archives": 0, "bytes_read": 0, "live_rows": 7}
ASKED = Question(7, (), None)
WHOLE = Question(None, (), None)
DIRECT = Question(None, (), Direct("", "", None))


@pytest.mark.parametrize(
    ("question", "cut", "rows", "told", "not_told"),
    [
        (ASKED, "rows", "7", "cut at 7 rows as asked", "limit"),
        (ASKED, "rows", None, "cut at 7 rows as asked", "limit"),
        # the service has a lower limit, or another one
        (ASKED, "rows", "5", "the limit of rows has cut the answer off", "as asked"),
        (ASKED, "bytes", "7", "the limit of bytes has cut the answer off", "as asked"),
        (WHOLE, "rows", "7", "--large and --file, or, of a whole table or a range of time, from `archival export`", "--direct"),
        (Question(None, (), None, large=True), "bytes", None, "ask for less, or with --direct", "--large"),
        (DIRECT, "bytes", "7", "ask for less", "--"),
    ],
)
def test_a_cut_is_told_with_what_helps(
    question: Question, cut: str, rows: str | None, told: str, not_told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    headers: dict[str, Any] = {"archival-query-figures": json.dumps(FIGURES), "archival-query-cut": cut}
    note(Session(), question, headers | ({"archival-query-rows": rows} if rows else {}))
    said = " ".join(capsys.readouterr().err.split())
    assert told in said
    assert not_told not in said


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_reader_that_has_had_enough_is_no_error(form: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "archival_cli", "cost", *form]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
