"""Joined values are the values, and where they cannot be told apart that is noticed."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archival_core.codec import parquet
from archival_core.model.chunks.chunk import Relation
from archival_core.model.chunks.part_range import PageRange
from archival_core.source import catalog
from archival_core.source.wire import extract
from archival_core.source.wire.joining import Joined, JoinedBytes, JoinedNumbers, JoinedTexts
from tests.contract.source_support import read_chunk
from tests.kit.examples import examples
from tests.kit.log_records import events

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
            CREATE TABLE t (at bigint, {columns}) PARTITION BY RANGE (at);
            CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE)""".encode()
        )
        async with conn.cursor() as cursor:
            marks = ", ".join(f"%s::text::{kind}" for kind in kinds)
            await cursor.executemany(
                f"INSERT INTO t VALUES (%s, {marks})".encode(), [(i, *row) for i, row in enumerate(values)]
            )


class Both:
    """A chunk read joined, whatever is in it, and row by row."""

    def __init__(self, caplog: pytest.LogCaptureFixture, url: str, schema: str) -> None:
        self._caplog, self._url, self._schema = caplog, url, schema

    async def read(self, **options: Any) -> list[int]:
        """Asserts that both are equal; returns the pages from which on an output could not be joined."""
        self._caplog.clear()
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as conn:
            chunk = await catalog.find_chunk(conn, Relation(self._schema, "t"), Relation(self._schema, "p"))
            with self._caplog.at_level(logging.INFO, extract.__name__):
                joined, _ = await read_chunk(self._url, conn, chunk, nulls=0.0, **options)
            one_by_one, _ = await read_chunk(self._url, conn, chunk, nulls=1.0, **options | {"gathered_pages": None})
        assert content(joined) == content(one_by_one)
        return [event["page"] for event in events(self._caplog, "archival.values.apart")]


@pytest.fixture
def both(caplog: pytest.LogCaptureFixture, source_database_url: str, schema: str) -> Both:
    return Both(caplog, source_database_url, schema)


def content(table: pa.Table) -> parquet.Content:
    meter = parquet.ContentMeter(table.schema, "at")
    meter.add(table.sort_by("at"))
    return meter.content()


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_values_whatever_the_statistics_say(
    both: Both, source_database_url: str, schema: str, data: st.DataObject
) -> None:
    # with three doubles there would be packed numbers, which carry the lengths of texts: see test_measuring
    kinds = data.draw(
        st.lists(st.sampled_from(KINDS), min_size=1, max_size=6).filter(lambda k: k.count("double precision") < 3)
    )
    nothing = st.none() if data.draw(st.booleans()) else st.nothing()
    row = st.tuples(*(st.sampled_from(EDGES[kind]) | nothing for kind in kinds))
    values = data.draw(st.lists(row, max_size=20))
    await fill(source_database_url, schema, kinds, values)
    assert await both.read() == [0] * any(v is None or "\x01" in v for row in values for v in row)


@pytest.mark.parametrize("texts", [[None, "a\x01b"], ["\x01", None], [None, None, "\x01\x01"], [None]])
async def test_a_separator_does_not_make_up_for_a_null(
    both: Both, source_database_url: str, schema: str, texts: list[str | None]
) -> None:
    await fill(source_database_url, schema, ["text"], [(text,) for text in texts])
    assert await both.read() == [0]


@pytest.mark.parametrize("batch_bytes", [1, 2**18])
@pytest.mark.parametrize("odd", ["NULL", r"E'\x01'", r"E'a\x01b'"])
async def test_what_cannot_be_joined_is_read_otherwise_from_there_on(
    both: Both, source_database_url: str, schema: str, odd: str, batch_bytes: int
) -> None:
    await fill(source_database_url, schema, ["text", "bigint"], [])
    with psycopg.connect(source_database_url, autocommit=True) as conn:
        value = f"CASE WHEN i = 12000 THEN {odd} ELSE 'text ' || i % 9 END"
        conn.execute(f"INSERT INTO {schema}.t SELECT i, {value}, i FROM generate_series(1, 16000) i".encode())
    [page] = await both.read(batch_bytes=batch_bytes)
    assert page % 64 == 0
    assert page > 0
    assert await both.read(batch_bytes=batch_bytes, part=PageRange(first_page=70))


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
def test_other_numbers_of_values_than_of_rows(how: Joined, arrived: pa.Array) -> None:
    assert how.split(arrived, np.array([2, 1]), []) is None


def test_a_slice_of_what_arrived() -> None:
    sent = JoinedBytes("v", 2)
    arrived = pa.array([b"--", b"\0\1\0\2", b"\0\3", b"--"])[1:3]
    assert _listed(sent, arrived) == [b"\0\1", b"\0\2", b"\0\3"]
    assert _listed(JoinedNumbers(sent, pa.int16(), 0), arrived) == [1, 2, 3]
    assert _listed(JoinedTexts("v"), pa.array(["-", "a\x01b", "", "-"])[1:3]) == ["a", "b", ""]


def _listed(how: Joined, arrived: pa.Array) -> list[Any]:
    values = how.split(arrived, np.array([2, 1]), [])
    assert values is not None
    values.validate(full=True)
    return list(values.to_pylist())
