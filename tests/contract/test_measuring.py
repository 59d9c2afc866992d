"""Texts with their lengths among the packed numbers are the texts, NULLs too, in every encoding."""

from __future__ import annotations

import logging
import struct
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source import catalog
from archival_core.source.wire import extract
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.joining import JoinedBytes
from archival_core.source.wire.measuring import MeasuredTexts
from tests.contract.source_support import read_chunk, rows
from tests.kit.examples import examples
from tests.kit.log_records import events

Connection = psycopg.AsyncConnection[Any]

PACKED = "x float8 DEFAULT 1, y float8 DEFAULT 2"  # with `at` enough of them
TEXTS = MeasuredTexts("v", 0, 1)


@pytest.fixture
async def conn(source_database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        yield conn


async def chunk_of(conn: Connection, schema: str, columns: str, texts: Sequence[Sequence[str | None]] = ()) -> Chunk:
    """A chunk of `PACKED` and `columns`, which hold `texts`."""
    await conn.execute(
        f"""SET search_path = {schema}; DROP TABLE IF EXISTS t;
        CREATE TABLE t (at int, {PACKED}, {columns}) PARTITION BY RANGE (at);
        CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE)""".encode()
    )
    names = ", ".join(column.split()[0] for column in columns.split(","))
    async with conn.cursor() as cursor:
        marks = ", ".join(["%s"] * (1 + len(columns.split(","))))
        query = f"INSERT INTO t (at, {names}) VALUES ({marks})"
        await cursor.executemany(query.encode(), [(number, *row) for number, row in enumerate(texts)])
    return await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "p"))


async def assert_measured(caplog: pytest.LogCaptureFixture, url: str, conn: Connection, chunk: Chunk, **nulls: float) -> None:
    """What travels measured is what travels row by row; `nulls` is what the statistics say of columns."""
    columns = await catalog.columns(conn, chunk.hypertable)
    known = {"at": 0.0, "x": 0.0, "y": 0.0} | nulls
    assert any(isinstance(output.joined, MeasuredTexts) for output in plan_columns(columns, nulls=known, in_utf8=True).outputs)
    caplog.clear()
    with caplog.at_level(logging.INFO, extract.__name__):
        measured, _ = await read_chunk(url, conn, chunk, known)
    assert events(caplog, "archival.values.apart") == []
    one_by_one, _ = await read_chunk(url, conn, chunk, known, gathered_pages=None)
    assert rows(measured) == rows(one_by_one)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(*[st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9)] * 2)))
async def test_any_texts(
    caplog: pytest.LogCaptureFixture,
    source_database_url: str,
    conn: Connection,
    schema: str,
    texts: list[tuple[str | None, str | None]],
) -> None:
    chunk = await chunk_of(conn, schema, "a text, b varchar", texts)
    await assert_measured(caplog, source_database_url, conn, chunk, a=0.0, b=0.5)


async def test_many_groups_and_more_texts_than_have_room(
    caplog: pytest.LogCaptureFixture, source_database_url: str, conn: Connection, schema: str
) -> None:
    names = [f"c{number}" for number in range(3)]
    chunk = await chunk_of(conn, schema, ", ".join(f"{name} text" for name in names))
    some = "CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat('é', i % 9) END"
    late = "CASE WHEN i > 30000 THEN 'late' END"
    await conn.execute(f"INSERT INTO t SELECT i, 1, 2, {some}, {late}, NULL FROM generate_series(1, 60000) i".encode())
    await assert_measured(caplog, source_database_url, conn, chunk)


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "WIN1251"])
async def test_a_database_that_is_not_in_utf8(
    caplog: pytest.LogCaptureFixture, source_database_url: str, conn: Connection, encoding: str
) -> None:
    """What is sent has other lengths than what is stored, from EUC_JP not even of every character: separators then."""
    texts = {"LATIN1": ["naïve", "ÿ"], "EUC_JP": ["亜", "ｱ", "дд", "丂", "a亜д"], "WIN1251": ["дом", "ж", "©"]}[encoding]
    name = f"in_{encoding.lower()}_{uuid.uuid4().hex[:8]}"
    await conn.execute(f"CREATE DATABASE {name} ENCODING {encoding} LOCALE 'C' TEMPLATE template0".encode())
    try:
        url = make_conninfo(source_database_url, dbname=name, client_encoding="UTF8")
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as inside:
            chunk = await chunk_of(inside, "public", "a text, b text", [(text, None) for text in texts])
            known = {"at": 0.0, "x": 0.0, "y": 0.0, "a": 0.0}
            with caplog.at_level(logging.INFO, extract.__name__):
                joined, _ = await read_chunk(url, inside, chunk, known)
            assert events(caplog, "archival.values.apart") == []
            assert [row[3:] for row in rows(joined)] == [(text, None) for text in texts]
    finally:
        await conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


async def test_without_the_packed_numbers_texts_travel_otherwise(
    caplog: pytest.LogCaptureFixture, source_database_url: str, conn: Connection, schema: str
) -> None:
    chunk = await chunk_of(conn, schema, "a text", [("a",), (None,)])
    await conn.execute("UPDATE t SET x = NULL WHERE at = 1")
    with caplog.at_level(logging.INFO, extract.__name__):
        table, _ = await read_chunk(source_database_url, conn, chunk, 0.0)
    assert events(caplog, "archival.values.apart") == [{"page": 0}]
    assert rows(table) == [(0, 1.0, 2.0, "a"), (1, None, 2.0, None)]


@given(groups=st.lists(st.lists(st.none() | st.text(max_size=9), min_size=1, max_size=20), min_size=1, max_size=5))
def test_splitting(groups: list[list[str | None]]) -> None:
    lengths = [octets(text) for group in groups for text in group]
    joined = pa.array(["-", *["".join(filter(None, group)) for group in groups], "-"])[1:-1]
    texts = TEXTS.split(joined, np.array([len(group) for group in groups]), [packed(lengths)])
    assert texts is not None
    texts.validate(full=True)
    assert texts.to_pylist() == [text for group in groups for text in group]


@pytest.mark.parametrize(
    ("joined", "lengths"),
    [
        (["ab", "c"], [1, 1, 2]),
        (["ab", "c"], [1, 1, 0]),
        (["ab", "c"], [1, 2, 0]),
        (["ab", None], [1, 1, 1]),
        (["ab", ""], [1, 1, -2]),
        (["ab", "c"], [1, 1, 2**31 - 1]),
    ],
)
def test_other_lengths_than_texts(joined: list[str | None], lengths: list[int]) -> None:
    assert TEXTS.split(pa.array(joined, pa.string()), np.array([2, 1]), [packed(lengths)]) is None


@pytest.mark.parametrize("before", [None, pa.array([b"0123456789abcdef"] * 3)])
def test_packed_numbers_that_are_not_joined(before: pa.Array | None) -> None:
    assert TEXTS.split(pa.array(["ab", "c"]), np.array([2, 1]), [before]) is None


def octets(text: str | None) -> int:
    return -1 if text is None else len(text.encode())


def packed(lengths: Sequence[int]) -> pa.Array:
    """Split, with another number before each length."""
    sent = pa.array([b"-", b"".join(struct.pack(">dd", 0.5, length) for length in lengths)])[1:]
    return JoinedBytes("p", 16).split(sent, np.array([len(lengths)]), [])
