"""`POST /queries`: rows in each form, limits that say what they cut, and questions that are refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance.api_client import api_client
from tests.acceptance.conftest import Service

TABLE = """
create table $s.readings (time timestamptz not null, value numeric(10,2), note text, tags text[], spent interval, seen date,
    at time, raw bytea, share float8, doc jsonb) partition by range (time);
create table $s.a partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings values
    ('2026-01-02 03:04:05.5Z', 1.50, '', '{a,NULL}', '12 mons -2 days 3:00', '0044-03-15 BC', '24:00', '\\x00ff', 'NaN', '[1]'),
    ('2026-01-03Z', null, null, null, null, 'infinity', null, null, '-Infinity', null);
"""
FIRST = ["2026-01-02T03:04:05.5Z", "1.50", "", ["a", None], "12 mons -2 days 03:00:00", "0044-03-15 BC", "24:00:00", "\\x00ff"]
ROWS: list[list[Any]] = [
    [*FIRST, "NaN", "[1]"],
    ["2026-01-03T00:00:00Z", *[None] * 4, "infinity", None, None, "-Infinity", None],
]


# marks of other tests name archives of other lakes
pytestmark = pytest.mark.own_database


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY_ROLE", "postgres")
    monkeypatch.setenv("QUERY_ROWS", "1000")


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened


async def _ask(client: httpx.AsyncClient, sql: str, accept: str = "application/json", **more: Any) -> httpx.Response:
    return await client.post("/queries", json={"sql": sql, **more}, headers={"accept": accept})


async def test_rows_in_each_form(client: httpx.AsyncClient, service: Service) -> None:
    sql = f"select * from {service.schema}.readings order by time"
    found = (await _ask(client, sql)).json()
    assert found["rows"] == ROWS
    assert found["columns"][1] == {"name": "value", "type": "DECIMAL(10,2)"}
    assert (found["cut"], found["figures"]["live_rows"]) == (None, 2)

    answer = await _ask(client, sql, "text/csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    names, *rows = list(csv.reader(io.StringIO(answer.text)))
    assert names == [column["name"] for column in found["columns"]]
    assert rows[0] == [json.dumps(value) if isinstance(value, list) else value for value in ROWS[0]]
    # a NULL is nothing, and an empty text is in quotes
    assert answer.text.splitlines()[1].split(",")[2] == '""'
    assert answer.text.splitlines()[2].split(",")[2] == ""

    arrow = pa.ipc.open_stream((await _ask(client, sql, "application/vnd.apache.arrow.stream")).content).read_all()
    parquet = pq.read_table(io.BytesIO((await _ask(client, sql, "application/vnd.apache.parquet")).content))
    for table in (arrow, parquet.select(arrow.column_names)):
        assert table.num_rows == 2
        assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"


async def test_what_is_cut_off_is_said(client: httpx.AsyncClient) -> None:
    sql = "select range as n, lpad('x', 10, '-') as text from range(5000) order by 1"
    found = (await _ask(client, sql)).json()
    assert (len(found["rows"]), found["cut"]) == (1000, "rows")
    assert [row[0] for row in found["rows"]] == list(range(1000))
    found = (await _ask(client, sql, max_rows=7)).json()
    assert (len(found["rows"]), found["cut"]) == (7, "rows")
    answer = await _ask(client, sql, "text/csv;q=0.9, */*;q=0.1", max_rows=5000)
    assert (len(answer.text.splitlines()), answer.headers["archival-query-cut"]) == (1001, "rows")
    assert json.loads(answer.headers["archival-query-figures"])["archives"] == 0
    assert answer.headers["archival-query-rows"] == "1000"
    found = (await _ask(client, "select range as n from range(1000)")).json()
    assert (len(found["rows"]), found["cut"]) == (1000, None)


async def test_nested_values_are_json(client: httpx.AsyncClient) -> None:
    sql = "select {'a': 1.5, 'b': [date '2026-01-01', null]} as s, map {1: 'x'} as m, [[1], null] as l, 17014::hugeint as h"
    [row] = (await _ask(client, sql)).json()["rows"]
    assert row[:3] == [{"a": "1.5", "b": ["2026-01-01", None]}, {"1": "x"}, [[1], None]]
    assert (await _ask(client, "select 1 where false")).json()["rows"] == []


async def test_questions_that_are_refused(client: httpx.AsyncClient, service: Service) -> None:
    for sql, status, code in (
        ("select * from nowhere", 404, "unknown-table"),
        ("selec 1", 422, "query-invalid"),
        ("drop table x", 422, "query-refused"),
        ("select 1/0::int, cast('x' as int)", 422, "query-failed"),
        (f"select nothing from {service.schema}.readings", 422, "query-invalid"),
    ):
        answer = await _ask(client, sql)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    answer = await _ask(client, "select 1", "image/png")
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")
    answer = await client.post("/queries", json={"sql": "select 1", "limit": 3})
    assert answer.status_code == 422


async def test_answers_are_compressed_for_who_can_read_that(client: httpx.AsyncClient) -> None:
    question = {"sql": "select i as n from range(1000) t(i)"}
    for form in ("application/json", "text/csv"):
        headers = {"Accept": form, "Accept-Encoding": "gzip"}
        packed = await client.post("/queries", json=question, headers=headers)
        assert (packed.headers["content-encoding"], packed.headers.get("etag")) == ("gzip", None)
        plain = await client.post("/queries", json=question, headers=headers | {"Accept-Encoding": "identity"})
        assert plain.headers.get("content-encoding") is None
        assert "999" in packed.text
        assert len(plain.content) > 1.5 * int(packed.headers["content-length"])


class TestWithoutARole:
    @pytest.fixture(autouse=True)
    def reader(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("QUERY_ROLE", "")

    async def test_none_is_answered(self, client: httpx.AsyncClient) -> None:
        answer = await _ask(client, "select 1")
        assert (answer.status_code, answer.json()["code"]) == (403, "queries-off")
        assert "QUERY_ROLE" in answer.json()["detail"]
