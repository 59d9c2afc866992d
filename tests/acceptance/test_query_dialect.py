"""What docs/query.md says of statements that PostgreSQL and DuckDB answer otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

_PAGE = Path(__file__).parents[2] / "docs/query.md"
_ROW = re.compile(r"^\| `(SELECT [^`]+)` \| (`[^`]+`|an error) \| `([^`]+)` \|", re.MULTILINE)
ROWS = [(question, postgresql.strip("`"), here) for question, postgresql, here in _ROW.findall(_PAGE.read_text())]


def _text(value: object) -> str:
    return "NULL" if value is None else str(value)


def _postgresql(service: Service, question: str) -> str:
    try:
        [(value,)] = service.rows(question)
    except psycopg.errors.DivisionByZero:
        return "an error"
    return _text(value)


def test_the_page_has_rows() -> None:
    assert len(ROWS) >= 7


@pytest.mark.parametrize(("question", "postgresql", "here"), ROWS, ids=[question for question, _, _ in ROWS])
async def test_both_answer_as_the_page_says(service: Service, question: str, postgresql: str, here: str) -> None:
    assert _postgresql(service, question) == postgresql
    [row] = (await asked(queries_of(service), question)).result.to_pylist()
    [value] = row.values()
    assert _text(value) == here
