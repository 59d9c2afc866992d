"""Which table an archive was taken from, as it is now: its identity tells, and its names only say how to call it.

A table, its schema and its columns may have other names than when the archive was made, and their names may be those of other
tables and columns. By name an archive is looked for only where its identity is in no table of this database: in a copy that
has numbered its tables anew, after the table was dropped, and for archives from before identities were recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, ChunkRange, Column, Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.state.history import is_same_server
from archival_core.source.state.tables import name_of


@dataclass(frozen=True, slots=True)
class Origin:
    """The hypertable that an archive was taken from."""

    #: its present name; where `is_known` is false, the name that it had
    table: Relation
    #: whether `table` is the very table, by its identity
    is_known: bool

    def has_numbers(self, table: Relation) -> bool:
        """Whether a column of `table` is that of the archive which has its number, whatever either is called."""
        return self.is_known and table == self.table

    def chunk(self, manifest: Manifest, table: Relation, columns: Sequence[Column]) -> Chunk:
        """The archive's chunk as it was; its time column is called as in `table`, whose columns are `columns`."""
        time_column = manifest.time_column
        if self.has_numbers(table):
            number = next((column.number for column in manifest.columns if column.name == manifest.time_column), 0)
            time_column = next((column.name for column in columns if number and column.number == number), time_column)
        return Chunk(
            hypertable=self.table,
            relation=Relation.parse(manifest.chunk),
            kind=manifest.kind,
            time_column=time_column,
            time_type=manifest.time_type,
            range=ChunkRange(manifest.range_start, manifest.range_end),
            is_compressed=manifest.was_compressed,
        )


async def origin_of(conn: AsyncConnection[Any], manifest: Manifest) -> Origin:
    """Where the archive's hypertable is now, as the database of `conn` tells."""
    # Guard GONE: rows of a table that was renamed are not gone, and rows of another table that has the name by now are not its.
    here, found = await at_once(conn, catalog.database_identity(conn), _name_of(conn, manifest.hypertable_table))
    if found is not None and is_same_server(here, manifest):
        return Origin(found, is_known=True)
    return Origin(Relation.parse(manifest.hypertable), is_known=False)


async def renamed_chunk(conn: AsyncConnection[Any], manifest: Manifest) -> Chunk | None:
    """The archive's chunk as the catalog has it now, if it or its hypertable has another name than when it was archived.

    `None` if both have their names, if the chunk is gone or belongs to another hypertable, and where nobody can tell.
    """
    table = TableIdentity(oid=manifest.relation_oid, born=manifest.relation_born) if manifest.relation_born else None
    origin, name = await at_once(conn, origin_of(conn, manifest), _name_of(conn, table))
    then = (Relation.parse(manifest.hypertable), Relation.parse(manifest.chunk))
    if not origin.is_known or name is None or (origin.table, name) == then:
        return None
    try:
        return await catalog.find_chunk(conn, origin.table, name)
    except PermanentError:
        return None  # it is no chunk of the hypertable any more; what stands in the way is said by whoever looks by the names


async def _name_of(conn: AsyncConnection[Any], table: TableIdentity | None) -> Relation | None:
    return None if table is None else await name_of(conn, table)
