"""An archive's rows go into a staging table, and come back out of it for the proof, by binary COPY through the ADBC driver.

All of it is one transaction that also makes the table, for two reasons. Nobody sees a staging table that is not proven. And
PostgreSQL fills a table that is new in the transaction strictly from its first page to its last, so a scan gives the rows
in the order in which they came, which is the order of the archive's digests.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import adbc_driver_manager as adbc
import adbc_driver_postgresql.dbapi as adbc_postgresql
import pyarrow as pa

from archival_core.errors import PermanentError
from archival_core.model.lake.lake_column import text_of
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.columns.wire import wire_of
from archival_core.source.restore.loading.staging import SCHEMA, StagingTable
from archival_core.source.session import ALONE
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.driver import DatabaseUrl, arriving, connected, driver_errors, said_by_server

#: Settings for one scan from the first page to the last: PostgreSQL must not join a scan that is on its way.
_IN_ORDER = ALONE | {"synchronize_seqscans": "off"}


class Loading:
    """The open transaction that fills one staging table. Blocks: use it in one worker thread."""

    def __init__(self, conn: adbc_postgresql.Connection, staging: StagingTable, columns: Sequence[FittedColumn]) -> None:
        self._conn, self._staging, self._columns = conn, staging, columns

    def create(self) -> None:
        """Make the table, in place of one that an interrupted run of the same attempt left."""
        listed = ", ".join(
            [f"{column.staged} {column.wire.staged}" for column in self._columns]
            + [f"{column.exact} text" for column in self._corrected]
        )
        self._execute(f"DROP TABLE IF EXISTS {self._staging.relation.sql}")
        # a heap, since in another kind of table the rows might lie in another order
        self._execute(f"CREATE UNLOGGED TABLE {self._staging.relation.sql} ({listed}) USING heap")

    def append(self, batches: Iterator[pa.RecordBatch]) -> int:
        """Add rows in their order, and return how many; what `batches` raises comes out as it is.

        A batch has the archive's columns, and behind them texts of what they do not hold (`model.lake.lake_column.text_of`).
        """
        failed: list[Exception] = []
        names = [_bare(staged) for staged in self._staged]

        def encoded() -> Iterator[pa.RecordBatch]:
            try:
                for batch in batches:
                    arrays = [c.wire.encode(batch.column(place)) for place, c in enumerate(self._columns)]
                    arrays += [_texts(batch, column.stored) for column in self._corrected]
                    yield pa.RecordBatch.from_arrays(arrays, names)
            except Exception as error:  # the driver would make a text of it
                failed.append(error)
                raise

        empty = [column.wire.encode(pa.array([], column.wire.arrow)).type for column in self._columns]
        empty += [pa.string()] * len(self._corrected)
        reader = pa.RecordBatchReader.from_batches(pa.schema(zip(names, empty, strict=True)), encoded())
        try:
            with driver_errors(), self._conn.cursor() as cur:
                return int(cur.adbc_ingest(self._staging.name, reader, mode="append", db_schema_name=SCHEMA))
        except Exception:
            if failed:
                raise failed[0] from None
            raise

    def read_back(self) -> Generator[pa.RecordBatch]:
        """All rows in the order in which they were added, with the archive's columns and texts."""
        columns = [column.wire.column(_bare(column.staged)) for column in self._columns]
        texts = [wire_of("string").column(_bare(staged)) for staged in self._staged[len(columns) :]]
        forms = {_bare(column.staged): column.wire.form for column in self._columns if column.wire.form is not None}
        plan = plan_columns([*columns, *texts], forms=forms)
        naturals = ", ".join(
            [f"{column.natural} AS {column.staged}" for column in self._columns] + self._staged[len(columns) :]
        )
        names = [*(column.stored for column in self._columns), *(text_of(column.stored) for column in self._corrected)]
        with self._conn.cursor() as cur:
            with driver_errors():
                cur.execute(f"SELECT {plan.select_list} FROM (SELECT {naturals} FROM {self._staging.relation.sql}) AS staged")
                reader = cur.fetch_record_batch()
            for batch in arriving(reader):
                yield plan.exact(batch).rename_columns(names)

    def losses(self) -> dict[str, int]:
        """By column: in how many rows the column's type would not hold exactly what the archive has; empty if there are
        none.

        Raises `PermanentError` (`unreadable-value`) for a value that the type does not take at all.
        """
        cast = [column for column in self._columns if column.may_lose]
        if not cast:
            return {}
        try:
            counts = self._losses(cast)
        except PermanentError as error:
            raise _refusal(cast, error) from error
        return {column.target.name: lost for column, lost in zip(cast, counts, strict=True) if lost}

    @property
    def _corrected(self) -> list[FittedColumn]:
        return [column for column in self._columns if column.exact is not None]

    @property
    def _staged(self) -> list[str]:
        """Columns of the staging table, as SQL."""
        return [column.staged for column in self._columns] + [column.exact for column in self._corrected if column.exact]

    def _losses(self, columns: Sequence[FittedColumn]) -> list[int]:
        counts = ", ".join(f"count(*) FILTER (WHERE {column.loss})" for column in columns)
        with driver_errors(), self._conn.cursor() as cur:
            # an error in the middle of a COPY comes without its SQLSTATE, and would pass for a broken connection
            cur.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cur.execute(f"SELECT {counts} FROM {self._staging.relation.sql}")
            row = cur.fetchone()
        assert row is not None
        return [int(count) for count in row]

    def commit(self) -> None:
        """Keep the table for `placing`."""
        with driver_errors():
            self._conn.commit()

    def _execute(self, statement: str) -> None:
        with driver_errors(), self._conn.cursor() as cur:
            cur.execute(statement)
            if cur.description:
                cur.fetchall()


def _bare(quoted: str) -> str:
    return quoted.strip('"')


def _texts(batch: pa.RecordBatch, stored: str) -> pa.Array:
    name = text_of(stored)
    return batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows, pa.string())


def _refusal(columns: Sequence[FittedColumn], error: PermanentError) -> PermanentError:
    """The error that says what the server says of a value.

    Where several columns are read, one of them has the value. The driver sends nothing more in a transaction that has
    failed, so the columns cannot be tried one by one.
    """
    cause = error.__cause__
    if error.code == "source-permission-denied" or not isinstance(cause, adbc.Error):
        return error
    names = ", ".join(repr(column.target.name) for column in columns)
    types = " or ".join(dict.fromkeys(column.target.type_name for column in columns))
    which = f"column {names} has a value" if len(columns) == 1 else f"one of the columns {names} has a value"
    texts = dict.fromkeys(column.wire.type_name for column in columns if column.is_kept_as_text)
    elsewhere = f"; restore into a table of its own in which it is {' or '.join(texts)}" if texts else ""
    return PermanentError(
        f"{which} that {types} does not take: {cause.sqlstate} {said_by_server(cause)}{elsewhere}", code="unreadable-value"
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
