"""In which form rows of a chunk are read from the database and written to the lake. All parts of an archive have the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from archival_core.clients.postgres.database import Connection
from archival_core.codec.layout import Layout, Profile
from archival_core.errors import TransientError
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.model.chunks.chunk import Chunk, Column
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.jobs.progress import Progress
from archival_core.model.lake.lake_column import LakeColumn
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.catalog.definition.ordering import order_columns
from archival_core.source.catalog.statistics import null_shares
from archival_core.source.session import piped
from archival_core.source.state import tables
from archival_core.source.state.snapshot import parts
from archival_core.source.state.snapshot.parts import Storage
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.wire.columns import ColumnPlan, plan_columns
from archival_core.source.wire.gathering import gathered_pages


@dataclass(frozen=True, slots=True)
class ReadingForm:
    """Columns, how they travel, and how the chunk lies on disk."""

    chunk: Chunk
    columns: tuple[Column, ...]
    #: the columns of the table in the lake, one for each of `columns`
    lake: tuple[LakeColumn, ...]
    plan: ColumnPlan
    storage: Storage
    layout: Layout

    @classmethod
    async def of(
        cls,
        connection: Connection,
        snapshot: ReadSnapshot,
        chunk: Chunk,
        members: tuple[TableIdentity, ...],
        table: TableIdentity | None,
        schema: LakeSchema,
        profile: Profile,
    ) -> Self:
        """Look at `chunk` inside `snapshot`; `members` are its tables, `table` is the hypertable's own.

        Raises `TransientError` (`source-changed`) if the chunk, or what it consists of, is not that any more.
        """
        async with piped(connection):
            now, there, columns, shares, storage = await at_once(
                connection,
                catalog.find_chunk(connection, chunk.hypertable, chunk.relation),
                tables.tables_of(connection, chunk),
                catalog.columns(connection, chunk.hypertable),
                null_shares(connection, chunk),
                parts.storage(connection, chunk),
            )
            if (now, there) != (chunk, members):
                raise TransientError(f"{chunk.relation} was compressed or altered just now", code="source-changed")
            lake = await schema.columns_for(connection, chunk.hypertable, table, columns, snapshot.started_at)
            plan = plan_columns(columns, shares, lake=lake, in_utf8=snapshot.in_utf8)
            order = await order_columns(connection, chunk) if profile == "small" else ()
        stored = {column.column: column.name for column in lake}
        layout = Layout(profile, tuple(stored[name] for name in order))
        return cls(chunk, columns, lake, plan, storage, layout)

    @property
    def time_column(self) -> str:
        """The name of the time column in the files."""
        return next(column.name for column in self.lake if column.column == self.chunk.time_column)

    @property
    def gathered_pages(self) -> int | None:
        """See `source/wire/gathering.py`."""
        return gathered_pages(self.chunk, self.plan, self.storage)

    def is_that_of(self, progress: Progress) -> bool:
        """Whether files in this form have the same columns as the files of an earlier part."""
        return progress.columns == self.column_types and progress.lake == self.lake_columns

    @property
    def column_types(self) -> tuple[tuple[int, str, str, str], ...]:
        """Number, name, PostgreSQL type and Arrow type of every column, for `Progress`."""
        columns = zip(self.columns, self.plan.schema, strict=True)
        return tuple((column.number, column.name, column.type_name, str(field.type)) for column, field in columns)

    @property
    def lake_columns(self) -> tuple[tuple[int, str], ...]:
        """Number and name of each of them in the lake."""
        return tuple((column.number, column.name) for column in self.lake)
