"""Compares an archive with its chunk, by PostgreSQL itself and without the service's code.

The Parquet files are loaded into a temporary table of the chunk's own types, and `EXCEPT ALL` both ways must be empty: the same
rows, as often as they are there, every value equal.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

_BATCH_ROWS = 50_000


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
    connection.execute("drop table if exists pg_temp.from_lake")
    connection.execute(f"create temp table from_lake as select * from {chunk} with no data".encode())
    for file in sorted(archive.glob("*.parquet")):
        _load(connection, file)
    row = connection.execute(
        f"""
        select (select count(*) from {chunk}), (select count(*) from from_lake),
               (select count(*) from (select * from {chunk} except all select * from from_lake) missing)
             + (select count(*) from (select * from from_lake except all select * from {chunk}) extra)
        """.encode()
    ).fetchone()
    assert row is not None
    return Comparison(*row)


def _load(connection: psycopg.Connection, file: Path) -> None:
    parquet = pq.ParquetFile(file)
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in parquet.schema_arrow.names)
    with connection.cursor().copy(f"copy from_lake ({columns}) from stdin (format csv)".encode()) as copy:
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
            text = io.BytesIO()
            flat = pa.RecordBatch.from_arrays([_as_text(column) for column in batch.columns], names=batch.schema.names)
            csv.write_csv(flat, text, csv.WriteOptions(include_header=False, quoting_style="needed"))
            copy.write(text.getvalue())


def _as_text(column: pa.Array) -> pa.Array:
    """Lists and bytes as PostgreSQL writes them; what CSV can say by itself stays."""
    if pa.types.is_binary(column.type):
        return pa.array([None if value is None else "\\x" + value.hex() for value in column.to_pylist()], pa.string())
    if not pa.types.is_list(column.type):
        return column
    items = column.values.cast(pa.string())
    escaped = pc.replace_substring(pc.replace_substring(items, "\\", "\\\\"), '"', '\\"')
    quoted = pc.fill_null(pc.binary_join_element_wise('"', escaped, '"', ""), "NULL")
    lists = pa.ListArray.from_arrays(column.offsets, quoted, mask=column.is_null() if column.null_count else None)
    return pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")
