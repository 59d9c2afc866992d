"""Has a chunk changed since it was read?

The answer may be a false alarm, never a false all-clear. Three observations make it so:

- A row that was written after the snapshot has an `xmin` that is not older than the oldest transaction that was running then.
- A row that was deleted is missing in the count.
- Rows that were moved, by VACUUM FULL or CLUSTER, lie in another file.

A compressed chunk consists of two tables, one of compressed batches and one of late rows, and both are looked at. Some
versions of TimescaleDB do not say which tables these are. There a hash of all rows takes the place of the fence. The hash
is the same before and after compression, and takes seconds for each million rows.

A chunk that is read in parts, each in a snapshot of its own, is proven part by part (`holds_old_rows_alone`). A row that a
part's snapshot sees, and that is older than the first snapshot, was there for the first snapshot too, in the same place. So
what the parts have is never more than what the first snapshot saw, and if all of them together are as many rows, it is the
same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Column
from archival_core.model.chunks.part_range import PageRange
from archival_core.source.at_once import at_once
from archival_core.source.catalog.partitioning.timescaledb_internals import compressed_rows, forms
from archival_core.source.state.snapshot.parts import Storage, condition
from archival_core.source.state.snapshot.snapshot import ChunkFacts
from archival_core.source.statement import name_of
from archival_core.source.translate import source_errors

# age() compares modulo 2^32, as PostgreSQL itself does.
_COUNTS: Final = sql.SQL(
    "SELECT count(*), count(*) FILTER (WHERE age(xmin) <="
    " age((pg_snapshot_xmin({snapshot}::pg_snapshot)::text::bigint % 4294967296)::text::xid)) FROM {table}"
)
# A row has 32 bits of its transaction's number. Two numbers that are further apart than half of that cannot be ordered. A
# server that has not come as far as the snapshot was put back to an earlier time, and gives the same numbers out again.
_IN_REACH: LiteralString = (
    "SELECT pg_snapshot_xmax(now.snapshot)::text::numeric - pg_snapshot_xmin(%(snapshot)s::pg_snapshot)::text::numeric"
    " < 2147000000 AND pg_snapshot_xmax(now.snapshot)::text::numeric >="
    " pg_snapshot_xmax(%(snapshot)s::pg_snapshot)::text::numeric FROM (SELECT pg_current_snapshot() AS snapshot) now"
)
# True if no other transaction was writing, and the server is so young that all numbers can be ordered.
_IS_CLEAR: LiteralString = (
    "SELECT pg_snapshot_xmin(%(snapshot)s::pg_snapshot) = pg_snapshot_xmax(%(snapshot)s::pg_snapshot)"
    " AND pg_snapshot_xmax(%(snapshot)s::pg_snapshot)::text::numeric < 2147000000"
)
# Two different values of these types may be printed alike. As the type on the right every value is printed differently.
_TEXT_TYPES: Final = {
    "pg_catalog.xml": sql.SQL("text"),
    "pg_catalog.regproc": sql.SQL("regprocedure"),
    "pg_catalog.regoper": sql.SQL("regoperator"),
}
_HASH: Final = sql.SQL("SELECT count(*), sum(hashtextextended(row({values})::text, 0)::numeric) FROM {table}")


@dataclass(frozen=True, slots=True)
class Stored:
    """How a chunk lay in its tables when it was read."""

    #: the files of the tables that hold the chunk; another file means that rows may have moved
    files: tuple[int, ...]
    #: rows of each table as they are stored: a compressed batch counts as one
    tuples: tuple[int, ...]


async def stored_at(conn: AsyncConnection[Any], chunk: Chunk, facts: ChunkFacts, files: tuple[int, ...]) -> Stored | None:
    """What to compare with later, found inside the transaction that reads; `files` are those of `Storage`.

    Returns `None` where nobody could ever tell whether the chunk has changed. Either this version of TimescaleDB does not
    say where a compressed chunk is stored, or rows look newer than the snapshot already, because a transaction that began
    before they were written is still open.
    """
    with source_errors():
        if not chunk.is_compressed:
            plain = Stored(files, (facts.rows,))
            async with conn.cursor(row_factory=tuple_row) as cur:
                if (await (await cur.execute(_IS_CLEAR, {"snapshot": facts.snapshot})).fetchone()) == (True,):
                    return plain
            return plain if await _counts(conn, name_of(chunk.relation), facts.snapshot) == (facts.rows, 0) else None
        stored = await _stored(conn, chunk, files)
        if stored is None:
            return None
        tables, files = stored
        return Stored(files, tuple([(await _counts(conn, table, facts.snapshot))[0] for table in tables]))


async def is_unchanged(conn: AsyncConnection[Any], chunk: Chunk, snapshot: str, then: Stored, files: tuple[int, ...]) -> bool:
    """Whether `chunk` holds the rows that `snapshot` saw, in the same places as `then`, for the transaction of `conn`."""
    with source_errors():
        stored = await _stored(conn, chunk, files)
        return stored is not None and stored[1] == then.files and await _are_same(conn, stored[0], snapshot, then.tuples)


async def holds_same_rows(conn: AsyncConnection[Any], chunk: Chunk, snapshot: str, tuples: tuple[int, ...]) -> bool:
    """Whether `chunk` holds the rows that `snapshot` saw, wherever they lie, for the transaction of `conn`.

    Guard FENCE: this is asked under the lock, so that nothing can change between the answer and the drop.
    """
    with source_errors():
        stored = await _stored(conn, chunk, ())
        return stored is not None and await _are_same(conn, stored[0], snapshot, tuples)


def can_be_read_apart(chunk: Chunk, on_disk: Storage) -> bool:
    """Whether parts of `chunk` may be read in snapshots of their own: it is one table, whose rows stay in their pages."""
    return not chunk.is_compressed and on_disk.is_heap and on_disk.reads_page_ranges


async def holds_old_rows_alone(
    conn: AsyncConnection[Any], chunk: Chunk, snapshot: str, files: tuple[int, ...], on_disk: Storage, pages: PageRange
) -> bool:
    """Whether the transaction of `conn` sees rows in `pages` of `chunk` that are older than `snapshot`, and no others, in the
    file that `snapshot` saw. `files` are those of then, `on_disk` is as it is now.

    The transaction's own snapshot must be later than `snapshot`, in the same history. Rows that are gone do not show here:
    the rows of all parts have to be counted together.
    """
    if not can_be_read_apart(chunk, on_disk) or on_disk.files != files:
        return False
    table = sql.SQL("{} WHERE {}").format(name_of(chunk.relation), sql.SQL(condition(chunk, pages)))
    with source_errors():
        is_in_reach, (_, newer) = await at_once(conn, _is_in_reach(conn, snapshot), _counts(conn, table, snapshot))
    return is_in_reach and newer == 0


async def hash_content(conn: AsyncConnection[Any], chunk: Chunk, columns: Sequence[Column]) -> str:
    """Number and hash of all rows, in whatever order and form they are stored. `session.READ_SETTINGS` must be pinned."""
    values = sql.SQL(", ").join([value for column in columns for value in _expressions(column)])
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(_HASH.format(values=values, table=name_of(chunk.relation)))
            row = await cur.fetchone()
    assert row is not None
    return f"{row[0]}:{row[1]}"


def _expressions(column: Column) -> list[sql.Composable]:
    name, text_type = sql.Identifier(column.name), _TEXT_TYPES.get(column.base_type)
    if text_type is None:
        return [name]
    return [name, sql.SQL("{}::pg_catalog.{}{}").format(name, text_type, sql.SQL("[]" if column.is_array else ""))]


async def _are_same(
    conn: AsyncConnection[Any], tables: tuple[sql.Composable, ...], snapshot: str, tuples: tuple[int, ...]
) -> bool:
    is_in_reach, *counts = await at_once(
        conn, _is_in_reach(conn, snapshot), *(_counts(conn, table, snapshot) for table in tables)
    )
    return is_in_reach and counts == [(count, 0) for count in tuples]


async def _is_in_reach(conn: AsyncConnection[Any], snapshot: str) -> bool:
    async with conn.cursor(row_factory=tuple_row) as cur:
        return (await (await cur.execute(_IN_REACH, {"snapshot": snapshot})).fetchone()) == (True,)


async def _stored(
    conn: AsyncConnection[Any], chunk: Chunk, files: tuple[int, ...]
) -> tuple[tuple[sql.Composable, ...], tuple[int, ...]] | None:
    """The tables that hold the chunk, as SQL after FROM, and their files."""
    if not chunk.is_compressed:
        return (name_of(chunk.relation),), files
    try:
        table, file = await compressed_rows.compressed_table(conn, chunk)
    except PermanentError as error:
        if error.code != forms.UNKNOWN:
            raise
        return None
    return (sql.SQL("ONLY {}").format(name_of(chunk.relation)), name_of(table)), (*files, file)


async def _counts(conn: AsyncConnection[Any], table: sql.Composable, snapshot: str) -> tuple[int, int]:
    """Rows of `table`, and how many of them may be newer than `snapshot`."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        row = await (await cur.execute(_COUNTS.format(snapshot=snapshot, table=table))).fetchone()
    assert row is not None
    return row[0], row[1]
