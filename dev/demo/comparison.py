"""Compares an archive with its chunk, by PostgreSQL itself and without the service's code.

The Parquet files are loaded into a temporary table of the chunk's own types: texts by COPY, which calls each type's input
function. Rows are then compared as they are printed, by each type's output function, so that 1.0 is not 1.00 and -0 is
not 0: `EXCEPT ALL` both ways must be empty. Casts and operators that users may have defined have no part in it.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

_BATCH_ROWS = 50_000
_DAY = 86_400_000_000
#: docs/types.md: what stands for PostgreSQL's infinities
_INFINITE_DAYS, _INFINITE_MICROSECONDS = 2**31 - 1, 2**63 - 1
#: What is printed does not tell all values of these types from each other; what it is by another name does.
#: the map of texts in place of values that a column does not hold
_EXACT = "_archival_exact"
_TOLD_AS = {"xml": "text", "regproc": "regprocedure", "regoper": "regoperator"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the database and the lake hold of one chunk."""

    rows_database: int
    rows_parquet: int
    #: rows that are in one and not in the other, both ways
    different: int

    @property
    def equal(self) -> bool:
        """Nothing is missing, extra or altered."""
        return self.different == 0 and self.rows_database == self.rows_parquet


def compare(connection: psycopg.Connection, chunk: str, archive: Path) -> Comparison:
    """Compare the table `chunk` (SQL, quoted as needed) with every Parquet file in the folder `archive`."""
    connection.execute("set timezone = 'UTC'; set intervalstyle = 'postgres'; set datestyle = 'ISO, YMD'")
    connection.execute("drop table if exists pg_temp.from_lake")
    connection.execute(f"create temp table from_lake as select * from {chunk} with no data".encode())
    types: dict[str, str] = dict(
        connection.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = 'pg_temp.from_lake'::regclass and attnum > 0 order by attnum"
        ).fetchall()
    )
    for file in sorted(archive.glob("*.parquet")):
        _load(connection, file, types)
    told = [f"{_quoted(name)}::{_TOLD_AS[kind]}" for name, kind in types.items() if kind in _TOLD_AS]
    columns = f"row({', '.join([*map(_quoted, types), *told])})::text"
    row = connection.execute(
        f"""
        select (select count(*) from {chunk}), (select count(*) from from_lake),
               (select count(*) from (select {columns} from {chunk} except all select {columns} from from_lake) missing)
             + (select count(*) from (select {columns} from from_lake except all select {columns} from {chunk}) extra)
        """.encode()
    ).fetchone()
    assert row is not None
    return Comparison(*row)


def _load(connection: psycopg.Connection, file: Path, types: dict[str, str]) -> None:
    parquet = pq.ParquetFile(file)
    stored = list(parquet.schema_arrow)
    fields = [(field, _name(field)) for field in stored if not pa.types.is_map(field.type)]
    raw = ", ".join(f"{_quoted(name)} {_raw_type(field.type, types[name])}" for field, name in fields)
    has_exact = len(fields) < len(stored)
    raw += f", {_quoted(_EXACT)} jsonb" if has_exact else ""
    connection.execute(f"drop table if exists pg_temp.raw; create temp table raw ({raw})".encode())
    with connection.cursor().copy("copy raw from stdin (format csv)") as copy:
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
            text = io.BytesIO()
            flat = pa.RecordBatch.from_arrays([_as_text(column) for column in batch.columns], names=batch.schema.names)
            csv.write_csv(flat, text, csv.WriteOptions(include_header=False, quoting_style="all_valid"))
            copy.write(text.getvalue())
    names = ", ".join(_quoted(name) for _, name in fields)
    values = ", ".join(
        _exact(field.name, _value(field.type, _quoted(name), types[name]), types[name])
        if has_exact
        else _value(field.type, _quoted(name), types[name])
        for field, name in fields
    )
    connection.execute(f"insert into from_lake ({names}) select {values} from raw".encode())


def _name(field: pa.Field) -> str:
    """The column's name in PostgreSQL."""
    return str((field.metadata or {}).get(b"postgresql.name", field.name.encode()).decode())


def _exact(stored: str, value: str, type_name: str) -> str:
    """SQL of the text in the map, as its type's input function reads it, or else the value."""
    key = "'" + stored.replace("'", "''") + "'"
    given = f"json_to_record(json_build_object('v', {_quoted(_EXACT)} ->> {key})) as given (v {type_name})"
    return f"case when {_quoted(_EXACT)} ? {key} then (select v from {given}) else {value} end"


def _raw_type(kind: pa.DataType, type_name: str) -> str:
    if pa.types.is_list(kind) and _is_converted(kind.value_type):
        return f"{_raw_type(kind.value_type, type_name)}[]"
    if _is_converted(kind):
        return "bytea" if pa.types.is_binary(kind) else "bigint"
    return "regprocedure" if type_name == "regproc" else "regoperator" if type_name == "regoper" else type_name


def _is_converted(kind: pa.DataType) -> bool:
    """Whether its text is not what the column's type reads."""
    return bool(pa.types.is_temporal(kind) or pa.types.is_binary(kind))


def _value(kind: pa.DataType, raw: str, type_name: str) -> str:
    """SQL that makes of a raw value one of the column's type."""
    if pa.types.is_list(kind) and pa.types.is_temporal(kind.value_type):
        item = _value(kind.value_type, "x", type_name.removesuffix("[]"))
        items = f"array(select {item} from unnest({raw}) with ordinality u (x, n) order by n)"
        return f"case when {raw} is not null then {items}::{type_name} end"
    if pa.types.is_date(kind):
        return _bounded(raw, _INFINITE_DAYS, f"(date '1970-01-01' + {raw}::int)", type_name)
    if pa.types.is_timestamp(kind):
        moment = f"(timestamp '1970-01-01' + ({raw} / {_DAY}) * interval '1 day' + ({raw} % {_DAY}) * interval '1 microsecond')"
        return _bounded(raw, _INFINITE_MICROSECONDS, f"{moment} at time zone 'UTC'" if kind.tz else moment, type_name)
    if pa.types.is_binary(kind) or (pa.types.is_list(kind) and pa.types.is_binary(kind.value_type)):
        return f"{raw}::{type_name}"
    return f"{raw}::regproc" if type_name == "regproc" else f"{raw}::regoper" if type_name == "regoper" else raw


def _bounded(raw: str, infinite: int, value: str, type_name: str) -> str:
    return (
        f"case {raw} when {infinite} then 'infinity'::{type_name} when -{infinite} then '-infinity'::{type_name}"
        f" else ({value})::{type_name} end"
    )


def _as_text(column: pa.Array) -> pa.Array:
    """Lists and bytes as PostgreSQL writes them, times as numbers, maps as JSON; what CSV can say by itself stays."""
    if pa.types.is_map(column.type):
        return pa.array([None if row is None else json.dumps(dict(row)) for row in column.to_pylist()], pa.string())
    if pa.types.is_binary(column.type):
        return pa.array([None if value is None else "\\x" + value.hex() for value in column.to_pylist()], pa.string())
    if pa.types.is_date(column.type):
        return column.view(pa.int32())
    if pa.types.is_timestamp(column.type):
        return column.view(pa.int64())
    if not pa.types.is_list(column.type):
        return column
    items = _as_text(column.values).cast(pa.string())
    escaped = pc.replace_substring(pc.replace_substring(items, "\\", "\\\\"), '"', '\\"')
    quoted = pc.fill_null(pc.binary_join_element_wise('"', escaped, '"', ""), "NULL")
    lists = pa.ListArray.from_arrays(column.offsets, quoted, mask=column.is_null() if column.null_count else None)
    return pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
