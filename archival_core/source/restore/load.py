"""An archive's rows into a staging table, and back out of it for the proof, by binary COPY through the ADBC driver.

All of it is one transaction that also makes the table, for two reasons. Nobody sees a staging table that is not proven. And
PostgreSQL fills a table that is new in the transaction strictly from its first page to its last, so that a scan gives the rows
in the order in which they came, which is the order of the archive's digests.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from archival_core.errors import PermanentError, TransientError
from archival_core.source.restore.fitting import FittedColumn
from archival_core.source.restore.staging import SCHEMA, StagingTable
from archival_core.source.session import ALONE
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.driver import DatabaseUrl, arriving, connected, driver_errors

#: One scan from the first page to the last, and no joining of one that is on its way.
_IN_ORDER = ALONE | {"synchronize_seqscans": "off"}


class Loading:
    """The open transaction that fills one staging table. Blocks: use it in one worker thread."""

    def __init__(self, conn: adbc_postgresql.Connection, staging: StagingTable, columns: Sequence[FittedColumn]) -> None:
        self._conn, self._staging, self._columns = conn, staging, columns

    def create(self) -> None:
        """Make the table, in place of one that an interrupted run of the same attempt left."""
        listed = ", ".join(f"{column.staged} {column.wire.staged}" for column in self._columns)
        self._execute(f"DROP TABLE IF EXISTS {self._staging.relation.sql}")
        # in another kind of table than a heap the rows might lie in another order
        self._execute(f"CREATE UNLOGGED TABLE {self._staging.relation.sql} ({listed}) USING heap")

    def append(self, batches: Iterator[pa.RecordBatch]) -> int:
        """Add rows in their order, and return how many; what `batches` raises comes out as it is."""
        failed: list[Exception] = []
        names = [column.staged.strip('"') for column in self._columns]

        def encoded() -> Iterator[pa.RecordBatch]:
            try:
                for batch in batches:
                    arrays = [c.wire.encode(values) for c, values in zip(self._columns, batch.columns, strict=True)]
                    yield pa.RecordBatch.from_arrays(arrays, names)
            except Exception as error:  # the driver would make a text of it
                failed.append(error)
                raise

        empty = [column.wire.encode(pa.array([], column.wire.arrow)).type for column in self._columns]
        reader = pa.RecordBatchReader.from_batches(pa.schema(zip(names, empty, strict=True)), encoded())
        try:
            with driver_errors(), self._conn.cursor() as cur:
                return int(cur.adbc_ingest(self._staging.name, reader, mode="append", db_schema_name=SCHEMA))
        except Exception:
            if failed:
                raise failed[0] from None
            raise

    def read_back(self) -> Generator[pa.RecordBatch]:
        """All rows in the order in which they were added, with the archive's columns."""
        plan = plan_columns([column.wire.column(column.staged.strip('"')) for column in self._columns])
        naturals = ", ".join(f"{column.natural} AS {column.staged}" for column in self._columns)
        names = [column.target.name for column in self._columns]
        with self._conn.cursor() as cur:
            with driver_errors():
                cur.execute(f"SELECT {plan.select_list} FROM (SELECT {naturals} FROM {self._staging.relation.sql}) AS staged")
                reader = cur.fetch_record_batch()
            for batch in arriving(reader):
                yield plan.exact(batch).rename_columns(names)

    def losses(self) -> dict[str, int]:
        """In how many rows a column's type would not hold exactly what the archive has; none is `{}`.

        Raises `PermanentError` (`unreadable-value`) for a value that the type does not take at all.
        """
        cast = [column for column in self._columns if column.is_cast]
        if not cast:
            return {}
        self._execute("SAVEPOINT before_losses")
        try:
            counts = self._losses(cast)
        except PermanentError as error:
            raise self._unreadable(cast, error) from error
        return {column.target.name: lost for column, lost in zip(cast, counts, strict=True) if lost}

    def _losses(self, columns: Sequence[FittedColumn]) -> list[int]:
        counts = ", ".join(f"count(*) FILTER (WHERE {column.loss})" for column in columns)
        with driver_errors(), self._conn.cursor() as cur:
            # what a COPY meets on its way comes without its SQLSTATE, and would pass for a broken connection
            cur.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cur.execute(f"SELECT {counts} FROM {self._staging.relation.sql}")
            row = cur.fetchone()
        assert row is not None
        return [int(count) for count in row]

    def _unreadable(self, columns: Sequence[FittedColumn], error: PermanentError) -> PermanentError:
        """The error that names the column and what the server says of its value; each column is looked at by itself."""
        if len(columns) == 1:
            return _refusal(columns[0], error)
        for column in columns:
            try:
                self._execute("ROLLBACK TO SAVEPOINT before_losses")
                self._losses([column])
            except PermanentError as found:
                return _refusal(column, found)
            except TransientError:
                # newer drivers send nothing more in a transaction that has failed
                break
        names = ", ".join(repr(column.target.name) for column in columns)
        return PermanentError(
            f"one of the columns {names} has a value that its type does not take: {error}", code="unreadable-value"
        )

    def commit(self) -> None:
        """Keep the table for `placing`."""
        with driver_errors():
            self._conn.commit()

    def _execute(self, statement: str) -> None:
        with driver_errors(), self._conn.cursor() as cur:
            cur.execute(statement)
            if cur.description:
                cur.fetchall()


def _refusal(column: FittedColumn, error: PermanentError) -> PermanentError:
    cause = error.__cause__
    if error.code == "source-permission-denied" or not isinstance(cause, adbc.Error):
        return error
    # the driver puts the whole statement in front
    said = str(cause).rpartition("ERROR:  ")[2].strip().partition("\n")[0]
    elsewhere = f"; restore into a table of its own in which it is {column.wire.type_name}" if column.is_kept_as_text else ""
    return PermanentError(
        f"column {column.target.name!r} has a value that {column.target.type_name} does not take: {cause.sqlstate} {said}"
        f"{elsewhere}",
        code="unreadable-value",
    )


@contextmanager
def loading(database_url: DatabaseUrl, staging: StagingTable, columns: Sequence[FittedColumn]) -> Iterator[Loading]:
    """Begin to fill `staging`, whose schema must be there; without `Loading.commit` nothing of it stays.

    Raises `TransientError` and `PermanentError`.
    """
    with connected(database_url, _IN_ORDER) as conn:
        opened = Loading(conn, staging, columns)
        opened.create()
        yield opened
