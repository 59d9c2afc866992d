"""Joined values are the values, and where they cannot be told apart that is noticed."""

from __future__ import annotations

import logging
import re
import struct
import uuid
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from archival_core.codec import parquet
from archival_core.model.chunk import Relation
from archival_core.source import catalog, extract
from archival_core.source.columns import plan_columns
from archival_core.source.joining import Joined, JoinedBytes, JoinedNumbers, JoinedTexts, SeparatedTexts
from archival_core.source.parts import PartRange
from tests.contract.source_support import read_chunk

KINDS = ["smallint", "real", "double precision", "bigint", "date", "timestamp", "timestamptz", "text", "varchar", "uuid"]
#: of `word`, an enum, whose texts the server has to make
WORDS = ["", "a", "b c", "\x01", "a\x01b", "\x01\x01"]
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
    "word": WORDS,
}


async def fill(url: str, schema: str, kinds: list[str], values: list[tuple[Any, ...]]) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(kinds))
        await conn.execute(
            f"""SET search_path = {schema}; DROP TABLE IF EXISTS t; DROP TYPE IF EXISTS word;
            CREATE TYPE word AS ENUM ({", ".join(f"'{word}'" for word in WORDS)});
            CREATE TABLE t (at int, {columns}) PARTITION BY RANGE (at);
            CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE)""".encode()
        )
        async with conn.cursor() as cursor:
            marks = ", ".join(f"%s::text::{kind}" for kind in kinds)
            await cursor.executemany(
                f"INSERT INTO t VALUES (%s, {marks})".encode(), [(i, *row) for i, row in enumerate(values)]
            )


def sent(*texts: str | None) -> bytes:
    """A group of texts as the server sends it."""
    octets = [None if text is None else text.encode() for text in texts]
    return b"".join(struct.pack(">i", -1 if o is None else len(o)) for o in octets) + b"".join(filter(None, octets))


class Both:
    """A chunk read joined, whatever is in it, and row by row."""

    def __init__(self, caplog: pytest.LogCaptureFixture, url: str, schema: str) -> None:
        self._caplog, self._url, self._schema = caplog, url, schema

    async def read(self, nulls: float = 0.0, **options: Any) -> list[int]:
        """`nulls` is what the statistics say.

        Asserts that both are equal; returns the pages from which on an output could not be joined."""
        self._caplog.clear()
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as conn:
            chunk = await catalog.find_chunk(conn, Relation(self._schema, "t"), Relation(self._schema, "p"))
            with self._caplog.at_level(logging.INFO, extract.__name__):
                joined, _ = await read_chunk(self._url, conn, chunk, nulls, **options)
            one_by_one, _ = await read_chunk(self._url, conn, chunk, 1.0, **options | {"gathered_pages": None})
        assert content(joined) == content(one_by_one)
        return [int(page) for page in re.findall(r"not joined from page (\d+) on", self._caplog.text)]


@pytest.fixture
def both(caplog: pytest.LogCaptureFixture, source_database_url: str, schema: str) -> Both:
    return Both(caplog, source_database_url, schema)


def content(table: pa.Table) -> parquet.Content:
    meter = parquet.ContentMeter(table.schema, "at")
    meter.add(table.sort_by("at"))
    return meter.content()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_values_whatever_the_statistics_say(
    both: Both, source_database_url: str, schema: str, data: st.DataObject
) -> None:
    kinds = data.draw(st.lists(st.sampled_from([*KINDS, "word"]), min_size=1, max_size=6))
    nothing = st.none() if data.draw(st.booleans()) else st.nothing()
    row = st.tuples(*(st.sampled_from(EDGES[kind]) | nothing for kind in kinds))
    values = data.draw(st.lists(row, max_size=20))
    await fill(source_database_url, schema, kinds, values)
    others = [value for row in values for kind, value in zip(kinds, row, strict=True) if kind not in ("text", "varchar")]
    assert await both.read() == [0] * any(value is None or "\x01" in value for value in others)


@given(groups=st.lists(st.lists(st.none() | st.text(max_size=9), min_size=1, max_size=20), min_size=1, max_size=5))
def test_any_texts_and_nulls(groups: list[list[str | None]]) -> None:
    values = JoinedTexts("v").split(pa.array([sent(*group) for group in groups]), np.array([len(group) for group in groups]))
    assert values is not None
    values.validate(full=True)
    assert values.to_pylist() == [text for group in groups for text in group]


async def test_texts_travel_joined_with_their_nulls(both: Both, source_database_url: str, schema: str) -> None:
    await fill(source_database_url, schema, ["text", "text", "text", "text", "text", "varchar"], [])
    with psycopg.connect(source_database_url, autocommit=True) as conn:
        some = "CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat('é', i % 9) END"
        conn.execute(
            f"""INSERT INTO {schema}.t SELECT i, {some}, NULL, '', 'x', CASE WHEN i > 30000 THEN 'late' END, {some}
            FROM generate_series(1, 60000) i""".encode()
        )
    # as arrays they would be too many to be gathered at all
    assert await both.read(nulls=0.5) == []
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
        columns = await catalog.columns(conn, Relation(schema, "t"))
    assert [type(output.joined) for output in plan_columns(columns).outputs] == [type(None), *[JoinedTexts] * 6]


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "WIN1251"])
async def test_texts_of_a_database_that_is_not_in_utf8(
    caplog: pytest.LogCaptureFixture, source_database_url: str, encoding: str
) -> None:
    """Lengths are those of what is sent. In EUC_JP some characters become longer by that, and others stay as long."""
    texts = {"LATIN1": ["naïve", "ÿ"], "EUC_JP": ["亜", "ｱ", "дд", "丂", "a亜д"], "WIN1251": ["дом", "ж", "©"]}[encoding]
    name = f"in_{encoding.lower()}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(source_database_url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} ENCODING {encoding} LOCALE 'C' TEMPLATE template0".encode())
        try:
            url = make_conninfo(source_database_url, dbname=name, client_encoding="UTF8")
            await fill(url, "public", ["text", "varchar"], [(text, None) for text in texts] + [(None, text) for text in texts])
            assert await Both(caplog, url, "public").read() == []
        finally:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.parametrize("texts", [[None, "a\x01b"], ["\x01", None], [None, None, "\x01\x01"], [None]])
async def test_a_separator_does_not_make_up_for_a_null(
    both: Both, source_database_url: str, schema: str, texts: list[str | None]
) -> None:
    await fill(source_database_url, schema, ["word"], [(text,) for text in texts])
    assert await both.read() == [0]


@pytest.mark.parametrize("batch_bytes", [1, 2**18])
@pytest.mark.parametrize("odd", ["NULL", r"E'\x01'", r"E'a\x01b'"])
async def test_what_cannot_be_joined_is_read_otherwise_from_there_on(
    both: Both, source_database_url: str, schema: str, odd: str, batch_bytes: int
) -> None:
    await fill(source_database_url, schema, ["word", "bigint"], [])
    with psycopg.connect(source_database_url, autocommit=True) as conn:
        value = f"(CASE WHEN i = 30000 THEN {odd} WHEN i % 9 = 0 THEN 'a' ELSE 'b c' END)::{schema}.word"
        conn.execute(f"INSERT INTO {schema}.t SELECT i, {value}, i FROM generate_series(1, 60000) i".encode())
    [page] = await both.read(batch_bytes=batch_bytes)
    assert page % 64 == 0
    assert page > 64
    assert await both.read(batch_bytes=batch_bytes, part=PartRange("ctid >= '(70,0)'::pg_catalog.tid"))


@pytest.mark.parametrize(
    ("how", "arrived"),
    [
        (JoinedBytes("v", 2), pa.array([b"aabb", b"c"])),
        (JoinedBytes("v", 2), pa.array([b"aab", b"bcc"])),
        (JoinedBytes("v", 2), pa.array([b"aabb", None])),
        (JoinedNumbers(JoinedBytes("v", 2), pa.int16(), 0), pa.array([b"aabbcc", b""])),
        (SeparatedTexts("v"), pa.array(["a", "b"])),
        (SeparatedTexts("v"), pa.array(["a\x01b", "c\x01"])),
        (SeparatedTexts("v"), pa.array(["a\x01b", None])),
        (JoinedTexts("v"), pa.array([sent("a", "b"), None])),
        (JoinedTexts("v"), pa.array([sent("a", "b"), b""])),
        (JoinedTexts("v"), pa.array([sent("a", "b"), sent("c") + b"d"])),
        (JoinedTexts("v"), pa.array([sent("a", "b"), sent("c")[:-1]])),
        (JoinedTexts("v"), pa.array([sent("a", "b", "c"), sent("d")])),
        # one group has a byte too many, the other one too few
        (JoinedTexts("v"), pa.array([sent("a", "b") + b"c", sent("d")[:-1]])),
        (JoinedTexts("v"), pa.array([sent("a", "b"), struct.pack(">i", -2)])),
        (JoinedTexts("v"), pa.array([sent("a", "b"), struct.pack(">i", 2**31 - 1)])),
    ],
)
def test_other_numbers_of_values_than_of_rows(how: Joined, arrived: pa.Array) -> None:
    assert how.split(arrived, np.array([2, 1])) is None


def test_a_slice_of_what_arrived() -> None:
    pairs = JoinedBytes("v", 2)
    arrived = pa.array([b"--", b"\0\1\0\2", b"\0\3", b"--"])[1:3]
    assert _listed(pairs, arrived) == [b"\0\1", b"\0\2", b"\0\3"]
    assert _listed(JoinedNumbers(pairs, pa.int16(), 0), arrived) == [1, 2, 3]
    assert _listed(SeparatedTexts("v"), pa.array(["-", "a\x01b", "", "-"])[1:3]) == ["a", "b", ""]
    assert _listed(JoinedTexts("v"), pa.array([b"-", sent("a", None), sent("b"), b"-"])[1:3]) == ["a", None, "b"]


def _listed(how: Joined, arrived: pa.Array) -> list[Any]:
    values = how.split(arrived, np.array([2, 1]))
    assert values is not None
    values.validate(full=True)
    return list(values.to_pylist())
