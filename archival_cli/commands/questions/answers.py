"""Answers to people and scripts: the rows of a question, and what it read."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any, Final

from archival_cli.command import Session
from archival_cli.commands.questions.asking import MEDIA, Question, fetched, note
from archival_cli.commands.questions.explaining import explained, reads
from archival_cli.showing.table import Column, Row

#: In letters: a moment or a UUID stays in one line.
_LEAST: Final = 36


def show(session: Session, query: str, question: Question) -> None:
    """The rows of `query`; raises `CommandError`."""
    if session.output.form == "csv":
        body, headers = fetched(session, query, MEDIA[".csv"], question)
        sys.stdout.buffer.write(body)
        sys.stdout.flush()
    else:
        body, headers = fetched(session, query, MEDIA[".json"], question)
        answer = json.loads(body)
        rows = [{str(number): value for number, value in enumerate(row)} for row in answer["rows"]]
        columns = [_column(number, column) for number, column in enumerate(answer["columns"])]
        session.output.show(answer, rows, columns, "no rows")
    note(session, question, headers)


def explain(session: Session, query: str, question: Question) -> None:
    """What `query` reads; raises `CommandError`."""
    body, headers = fetched(session, query, MEDIA[".json"], replace(question, explain=True))
    answer = json.loads(body)
    if not session.output.for_people:
        session.output.show(answer, *reads(answer["tables"]), "no table was read")
    else:
        for line in explained(answer["tables"]):
            session.output.say(line)
    note(session, question, headers)


def _column(number: int, column: dict[str, Any]) -> Column:
    numeric = any(word in column["type"] for word in ("INT", "DECIMAL", "DOUBLE", "FLOAT"))

    def shown(row: Row) -> str:
        value = row[str(number)]
        return "NULL" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    right = numeric and "[" not in column["type"]
    return Column(column["name"], (str(number),), shown, right=right, always=True, least=_LEAST)
