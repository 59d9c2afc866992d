"""Is this table the one that was there?

An oid comes again: after dump and restore, after the counter's end, and whenever somebody sets the counter back; file number,
row type and TOAST table come again with it. What does not come again is the moment at which a table was made. PostgreSQL
writes the row of a system column in `pg_attribute` when it makes a table, and never again, so the row's `xmin` is the number
of the transaction that made the table (`Leaf.created`).

Two tables of one history have the same oid only if the second was made after the first was dropped. So a table with the oid
of another, seen by an earlier snapshot, is that other one if it was made by the same transaction, and before that snapshot.
Numbers of transactions compare as long as fewer than 2^32 lie between the snapshot and now.

The proof holds inside one history of one server. That the history is the same has to be shown otherwise: after dump and
restore, or on a server that was put back, numbers of transactions come again too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.model.chunk import Leaf
from archival_core.source.translate import source_errors

_NUMBERS: Final = 2**32
#: Numbers below this are PostgreSQL's own, older than every other.
_FIRST_NORMAL: Final = 3


async def are_same(conn: AsyncConnection[Any], then: Sequence[Leaf], now: Sequence[Leaf], snapshot: str) -> bool:
    """Whether the tables of `now`, as the transaction of `conn` sees them, are those that `snapshot` saw as `then`.

    `snapshot` is `pg_current_snapshot()` of an earlier transaction in the same history of the same server. Names, files and
    persistence may differ: a table can be renamed and rewritten.
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute("SELECT pg_catalog.pg_current_snapshot()::text")).fetchone()
    assert row is not None
    return are_same_tables(then, now, snapshot, row[0])


def are_same_tables(then: Sequence[Leaf], now: Sequence[Leaf], snapshot: str, snapshot_now: str) -> bool:
    """`are_same`, where the snapshot of now is known."""
    if [(leaf.oid, leaf.created) for leaf in then] != [(leaf.oid, leaf.created) for leaf in now]:
        return False
    latest = _bound(snapshot_now)
    since = latest - _bound(snapshot)
    if not 0 <= since < _NUMBERS:
        return False
    return all(leaf.created < _FIRST_NORMAL or (latest - leaf.created) % _NUMBERS > since for leaf in now)


def _bound(snapshot: str) -> int:
    """The number above those of all transactions that `snapshot` sees: `xmax` of `xmin:xmax:xip`."""
    return int(snapshot.split(":")[1])
