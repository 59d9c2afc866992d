"""Which tables a question names."""

from __future__ import annotations

import pytest

from archival_core.errors import PermanentError
from archival_core.query.question.statement import parse


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM a JOIN s.b USING (i)", {".a", "s.b"}),
        ("SELECT * FROM a WHERE i IN (SELECT i FROM b)", {".a", ".b"}),
        ("WITH w AS (SELECT * FROM a) SELECT * FROM w", {".a"}),
        ("WITH w AS (SELECT * FROM a), v AS (SELECT * FROM w) SELECT * FROM v, W", {".a"}),
        # what a subquery knows are the names before its own
        ("WITH a AS (SELECT * FROM a WHERE i > 1) SELECT * FROM a", {".a"}),
        ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", {".b"}),
        ('WITH a AS (SELECT * FROM duckdb_views), "duckdb_views" AS (SELECT 1) SELECT * FROM a', {".duckdb_views"}),
        # a K to Python, and no K to DuckDB
        ('WITH "duc\u212adb_views" AS (SELECT 1) SELECT * FROM duckdb_views', {".duckdb_views"}),
        ("WITH w AS (SELECT 1) SELECT (WITH v AS (SELECT * FROM w) SELECT count(*) FROM v), v.i FROM v", {".v"}),
        ("WITH RECURSIVE r AS (SELECT i FROM a UNION ALL SELECT i + 1 FROM r) SELECT * FROM r", {".a"}),
        ("WITH RECURSIVE r AS (SELECT i FROM r UNION ALL SELECT i + 1 FROM r) SELECT * FROM r", {".r"}),
    ],
)
def test_names_of_tables(sql: str, tables: set[str]) -> None:
    assert {f"{table.schema}.{table.name}" for table in parse(sql).tables} == tables


@pytest.mark.parametrize("sql", ["DELETE FROM a", "SELECT 1; SELECT 2", "SELECT * FROM read_csv('x')", "SHOW ALL"])
def test_what_is_no_question(sql: str) -> None:
    with pytest.raises(PermanentError) as caught:
        parse(sql)
    assert caught.value.code == "query-refused"
