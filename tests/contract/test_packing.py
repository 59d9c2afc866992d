"""Packed numbers are the numbers: to the bit, wherever NULLs are, and however many there are."""

from __future__ import annotations

import struct
from contextlib import closing
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from archival_core.errors import PermanentError
from archival_core.flows.archive.reading import ChunkDescription, Reading
from archival_core.model.chunks.chunk import Column, Relation
from archival_core.source import catalog
from archival_core.source.catalog.statistics import null_shares
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.tables import tables_of
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.extract import read_batches
from archival_core.source.wire.gathering import gathered_pages
from archival_core.source.wire.packing import Pack
from tests.kit.examples import examples
from tests.kit.lake_schemas import lake_schema

#: PostgreSQL's name, and what `struct` calls its binary form and the integer of the same size
KINDS = {"float8": ("d", pa.int64()), "float4": ("f", pa.int32()), "int4": ("i", pa.int32()), "int2": ("h", pa.int16())}
#: signs, infinities, and NaNs that are not the usual one
BITS = {
    "float8": [0, 1 << 63, 0x7FF0 << 48, 0xFFF0 << 48, 0x7FF8 << 48, 0xFFF8 << 48, 0x7FF8DEADBEEF0001, 0x7FF0000000000001, 1],
    "float4": [0, 1 << 31, 0x7F80 << 16, 0xFF80 << 16, 0x7FC0 << 16, 0xFFC0 << 16, 0x7FC12345, 0x7F812345, 0xFF800001, 1],
}


class Table:
    """A table `t` of numbers `c0`, `c1`, …, filled by binary COPY, so that every bit can be given."""

    def __init__(self, url: str, schema: str, kinds: list[str], rows: list[list[bytes | None]]) -> None:
        self._url, self.kinds = url, kinds
        self.names = Relation(schema, "t"), Relation(schema, "p")
        columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(kinds))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                f"""SET search_path = {schema}; DROP TABLE IF EXISTS t;
                CREATE TABLE t (at int DEFAULT 1, {columns}) PARTITION BY RANGE (at);
                CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE)""".encode()
            )
            names = ", ".join(f"c{i}" for i in range(len(kinds)))
            with connection.cursor().copy(f"COPY t ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
                copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"".join(map(_tuple, rows)) + b"\xff\xff")
            connection.execute("ANALYZE p")

    async def read(self, nulls: float, joined: bool = False, **options: Any) -> pa.Table:
        """As if `nulls` were the share of NULLs in each column."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            chunk = await catalog.find_chunk(connection, *self.names)
            columns = await catalog.columns(connection, chunk.hypertable)
            plan = plan_columns(columns, nulls={column.name: nulls for column in columns})
            assert ("COALESCE" in plan.outputs[0].sql) == (nulls < 1)
            async with ReadSnapshot(connection, chunk) as snapshot:
                if joined:
                    options["gathered_pages"] = gathered_pages(chunk, plan, await parts.storage(connection, chunk))
                with closing(read_batches(self._url, snapshot.snapshot_id, chunk, plan, **options)) as batches:
                    return pa.Table.from_batches(batches, plan.schema)

    async def nulls(self) -> dict[str, float]:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            chunk = await catalog.find_chunk(connection, *self.names)
            return await null_shares(connection, chunk)


def _tuple(row: list[bytes | None]) -> bytes:
    fields = (b"\xff\xff\xff\xff" if value is None else struct.pack(">i", len(value)) + value for value in row)
    return struct.pack(">h", len(row)) + b"".join(fields)


def bits(table: pa.Table, kinds: list[str]) -> list[list[int | None]]:
    """Every value as the integer of the same bits, column by column."""
    columns = (table.column(f"c{i}").combine_chunks() for i in range(len(kinds)))
    return [column.view(KINDS[kind][1]).to_pylist() for kind, column in zip(kinds, columns, strict=True)]


def values(kind: str) -> st.SearchStrategy[bytes]:
    code = KINDS[kind][0]
    if kind in BITS:
        width = struct.calcsize(code)
        odd = st.sampled_from(BITS[kind]).map(lambda value: value.to_bytes(width, "big"))
        return odd | st.floats(width=64 if kind == "float8" else 32).map(lambda value: struct.pack(f">{code}", value))
    size = struct.calcsize(code) * 8 - 1
    return st.integers(-(2**size), 2**size - 1).map(lambda value: struct.pack(f">{code}", value))


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_numbers_and_nulls(source_database_url: str, schema: str, data: st.DataObject) -> None:
    kinds = ["float8", "int4", "float8", *data.draw(st.lists(st.sampled_from(list(KINDS)), max_size=35))]
    nullable = data.draw(st.sampled_from([0, 1, len(kinds)]))
    row = [st.none() | values(kind) if i < nullable else values(kind) for i, kind in enumerate(kinds)]
    rows = data.draw(st.lists(st.tuples(*row).map(list), max_size=12))
    table = Table(source_database_url, schema, kinds, rows)
    one_by_one = bits(await table.read(1), kinds)
    assert bits(await table.read(0), kinds) == one_by_one
    assert bits(await table.read(0, joined=True), kinds) == one_by_one


@pytest.mark.parametrize("width", [3, 4, 5, 6, 7, 16, 17, 40])
async def test_many_rows_in_many_batches(source_database_url: str, schema: str, width: int) -> None:
    kinds = ["float8"] * width
    rows: list[list[bytes | None]] = [
        [None if (i * 31 + j) % 97 == 0 else struct.pack(">d", i * 1.5 + j) for j in range(width)] for i in range(3000)
    ]
    table = Table(source_database_url, schema, kinds, rows)
    packed = await table.read(0.01, batch_bytes=4096)
    assert packed.column("c0").num_chunks > 5
    assert bits(packed, kinds) == bits(await table.read(1), kinds)
    assert packed.column(f"c{width - 1}").null_count == sum(row[-1] is None for row in rows) > 0


async def test_how_many_are_null_is_what_the_statistics_say(source_database_url: str, schema: str) -> None:
    number = struct.pack(">d", 1.0)
    rows = [[number, number if i % 50 else None, None if i == 7 else number] for i in range(1000)]
    table = Table(source_database_url, schema, ["float8"] * 3, rows)
    assert await table.nulls() == {"at": 0, "c0": 0, "c1": pytest.approx(0.02), "c2": pytest.approx(0.001)}


async def test_an_archive_is_read_packed(source_database_url: str, schema: str) -> None:
    table = Table(source_database_url, schema, ["float8"] * 3, [[struct.pack(">d", 1.0)] * 3] * 10)
    async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True, row_factory=dict_row) as connection:
        chunk = await catalog.find_chunk(connection, *table.names)
        identity, tables = await catalog.server_identity(connection), await tables_of(connection, chunk)
        described = ChunkDescription(chunk, identity, None, tables, "", 0)
        async with lake_schema(source_database_url) as lake, ReadSnapshot(connection, chunk) as snapshot:
            reading = await Reading.begin(connection, snapshot, described, lake, "fast", 2**28)
    assert "lseg_send" in reading.form.plan.outputs[0].sql


def test_a_slice_of_what_arrived() -> None:
    pack = Pack(("a", "b", "c"), (pa.float64(), pa.int32(), pa.float64()))
    rows = [struct.pack(">ddd", i, i + 1, i + 2) for i in range(4)]
    rows[2] = struct.pack(">dddq", 0, 3, 4, 1)
    read = pack.read(pa.array(rows, pa.binary())[1:3])
    assert {name: column.to_pylist() for name, column in read.items()} == {"a": [1.0, None], "b": [2, 3], "c": [3.0, 4.0]}


def test_another_length_than_was_asked_for_is_noticed() -> None:
    pack = Pack(("a", "b", "c"), (pa.float64(),) * 3)
    with pytest.raises(PermanentError, match="another length"):
        pack.read(pa.array([bytes(24), bytes(40)], pa.binary()))
    with pytest.raises(PermanentError, match="another length"):
        pack.read(pa.array([bytes(24), None], pa.binary()))


def test_never_null_needs_no_statistics_and_text_no_packing() -> None:
    numbers = [Column(name, "integer", name != "c", "pg_catalog.int4") for name in ("a", "b", "c", "d")]
    pack, alone = (output.sql for output in plan_columns(numbers).outputs)
    assert pack.startswith('COALESCE(pg_catalog.circle_send(pg_catalog.circle(pg_catalog.point("a"')
    assert alone == '"c"::pg_catalog.int4'
    others = [Column("t", "text", True, "pg_catalog.text"), *numbers[1:]]
    assert [output.sql for output in plan_columns(others).outputs] == [
        '"t"::pg_catalog.text', *(f'"{name}"::pg_catalog.int4' for name in ("b", "c", "d"))
    ]  # fmt: skip
