"""The peers, each as its documentation says: `python -m bench.peers NAME URL TABLE FILE`, in the peers' environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.worker import Contestant, serve

_BATCH_ROWS = 100_000
_GROUP_ROWS = 1_000_000


def duckdb(url: str, table: str, file: Path) -> Contestant:
    """COPY from the attached database; DuckDB reads page ranges in parallel by itself."""
    import duckdb as library
    import duckdb_extension_postgres_scanner as extension

    (binary,) = Path(extension.__path__[0]).rglob("postgres_scanner.duckdb_extension")
    connection = library.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"load '{binary}'")
    connection.execute(f"attach '{url}' as source (type postgres, read_only)")

    def run() -> int:
        connection.execute(f"copy (select * from source.{table}) to '{file}' (format parquet, compression zstd)")
        return file.stat().st_size

    return run


def connectorx(url: str, table: str, file: Path) -> Contestant:
    """Two partitions of the integer column, as Arrow, written by pyarrow."""
    import connectorx as library
    import pyarrow.parquet as pq

    def run() -> int:
        read = library.read_sql(url, f"select * from {table}", return_type="arrow", partition_on="tags_id", partition_num=2)
        pq.write_table(read, file, compression="zstd", row_group_size=_GROUP_ROWS)
        return file.stat().st_size

    return run


def adbc(url: str, table: str, file: Path) -> Contestant:
    """One stream of record batches into pyarrow's writer."""
    import adbc_driver_postgresql.dbapi as library
    import pyarrow as pa
    import pyarrow.parquet as pq

    def run() -> int:
        with library.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(f"select * from {table}")
            reader = cursor.fetch_record_batch()
            with pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
                group: list[Any] = []
                for batch in reader:
                    group.append(batch)
                    if sum(part.num_rows for part in group) >= _GROUP_ROWS:
                        writer.write_table(pa.Table.from_batches(group), _GROUP_ROWS)
                        group = []
                if group:
                    writer.write_table(pa.Table.from_batches(group), _GROUP_ROWS)
        return file.stat().st_size

    return run


def psycopg(url: str, table: str, file: Path) -> Contestant:
    """A server-side cursor, row by row: what a first script looks like."""
    import psycopg as library
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [("time", pa.timestamp("us", "UTC")), ("tags_id", pa.int32()), ("hostname", pa.string())]
        + [(f"usage_{i}", pa.float64()) for i in range(10)]
    )

    def run() -> int:
        with library.connect(url) as connection, connection.cursor("export") as cursor:
            cursor.execute(f"select * from {table}")
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                while rows := cursor.fetchmany(_BATCH_ROWS):
                    columns = [
                        pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
                    ]
                    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
        return file.stat().st_size

    return run


if __name__ == "__main__":
    peer, url, table, file = sys.argv[1:]
    serve({"duckdb": duckdb, "connectorx": connectorx, "adbc": adbc, "psycopg": psycopg}[peer](url, table, Path(file)))
