"""Joined values are the values, and where they cannot be told apart that is noticed."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archival_core.codec import parquet
from archival_core.model.chunk import Relation
from archival_core.source import catalog, extract
from archival_core.source.gathering import first_page
from archival_core.source.joining import JoinedBytes, JoinedNumbers, JoinedTexts, NotJoinedError
from tests.contract.source_support import read_chunk

KINDS = ["smallint", "real", "double precision", "bigint", "date", "timestamp", "timestamptz", "text", "varchar", "uuid"]
EDGES: dict[str, list[str]] = {
    "smallint": ["-32768", "0", "32767"],
    "real": ["NaN", "-0", "-Infinity", "1e-45"],
    "double precision": ["NaN", "-0", "Infinity", "5e-324"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "date": ["4713-01-01 BC", "1999-12-31", "infinity", "-infinity", "5874897-12-31"],
    "timestamp": ["4713-01-01 BC", "1999-12-31 23:59:59.999999", "infinity", "-infinity", "294246-12-31"],
    "timestamptz": ["4713-01-01 BC", "2000-01-01 00:00:00.000001+05:45", "infinity", "-infinity"],
    "text": ["", "NULL", "\x02", "naïve 🐘", "x" * 300, "\x01", "a\x01b", "\x01\x01"],
    "varchar": ["", "a "],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
}


async def fill(url: str, schema: str, kinds: list[str], values: list[tuple[Any, ...]]) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(kinds))
        await conn.execute(
            f"""SET search_path = {schema}; DROP TABLE IF EXISTS t;
            CREATE TABLE t (at int, {columns}) PARTITION BY RANGE (at);
            CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE)""".encode()
        )
        async with conn.cursor() as cursor:
            marks = ", ".join(f"%s::text::{kind}" for kind in kinds)
            await cursor.executemany(
                f"INSERT INTO t VALUES (%s, {marks})".encode(), [(i, *row) for i, row in enumerate(values)]
            )


async def read_both(url: str, schema: str) -> tuple[pa.Table, pa.Table, list[int]]:
    """The chunk joined, whatever is in it, and row by row; and the pages from which it had to be read otherwise."""
    pages: list[int] = []

    def noticed(groups: pa.RecordBatch) -> int:
        pages.append(first_page(groups))
        return pages[-1]

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        chunk = await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "p"))
        with patch.object(extract, "first_page", noticed):
            joined, _ = await read_chunk(url, conn, chunk, nulls=0.0, batch_bytes=1)
        one_by_one, _ = await read_chunk(url, conn, chunk, nulls=1.0, gathered_pages=None)
    return joined, one_by_one, pages


def content(table: pa.Table) -> parquet.Content:
    meter = parquet.ContentMeter(table.schema, "at")
    meter.add(table.sort_by("at"))
    return meter.content()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_values_whatever_the_statistics_say(source_database_url: str, schema: str, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    nothing = st.none() if data.draw(st.booleans()) else st.nothing()
    row = st.tuples(*(st.sampled_from(EDGES[kind]) | nothing for kind in kinds))
    values = data.draw(st.lists(row, max_size=20))
    await fill(source_database_url, schema, kinds, values)
    joined, one_by_one, pages = await read_both(source_database_url, schema)
    assert content(joined) == content(one_by_one)
    assert bool(pages) == any(value is None or "\x01" in value for row in values for value in row)


@pytest.mark.parametrize("odd", ["NULL", r"E'\x01'", r"E'a\x01b'"])
async def test_what_cannot_be_joined_is_read_otherwise_from_there_on(source_database_url: str, schema: str, odd: str) -> None:
    await fill(source_database_url, schema, ["text", "bigint"], [])
    with psycopg.connect(source_database_url, autocommit=True) as conn:
        value = f"CASE WHEN i = 30000 THEN {odd} ELSE 'text ' || i % 9 END"
        conn.execute(f"INSERT INTO {schema}.t SELECT i, {value}, i FROM generate_series(1, 60000) i".encode())
    joined, one_by_one, [page] = await read_both(source_database_url, schema)
    assert page % 64 == 0
    assert page > 64
    assert content(joined) == content(one_by_one)
    assert joined.num_rows == 60_000


@pytest.mark.parametrize(
    ("how", "arrived"),
    [
        (JoinedBytes("v", 2), pa.array([b"aabb", b"c"])),
        (JoinedBytes("v", 2), pa.array([b"aab", b"bcc"])),
        (JoinedBytes("v", 2), pa.array([b"aabb", None])),
        (JoinedNumbers(JoinedBytes("v", 2), pa.int16(), 0), pa.array([b"aabbcc", b""])),
        (JoinedTexts("v"), pa.array(["a", "b"])),
        (JoinedTexts("v"), pa.array(["a\x01b", "c\x01"])),
        (JoinedTexts("v"), pa.array(["a\x01b", None])),
    ],
)
def test_other_numbers_of_values_than_of_rows(how: JoinedBytes | JoinedNumbers | JoinedTexts, arrived: pa.Array) -> None:
    with pytest.raises(NotJoinedError):
        how.split(arrived, pa.array([2, 1]))


def test_a_slice_of_what_arrived() -> None:
    sent = JoinedBytes("v", 2)
    arrived = pa.array([b"--", b"\0\1\0\2", b"\0\3", b"--"])[1:3]
    assert sent.split(arrived, pa.array([2, 1])).to_pylist() == [b"\0\1", b"\0\2", b"\0\3"]
    assert JoinedNumbers(sent, pa.int16(), 0).split(arrived, pa.array([2, 1])).to_pylist() == [1, 2, 3]
    texts = pa.array(["-", "a\x01b", "", "-"])[1:3]
    assert JoinedTexts("v").split(texts, pa.array([2, 1])).to_pylist() == ["a", "b", ""]
