"""Who waits for a lock because of the service's own sessions, and how these sessions let go.

A reader's lock (ACCESS SHARE) is in the way only of statements that ask for ACCESS EXCLUSIVE: ALTER TABLE, TRUNCATE, DROP,
DETACH, compression. While such a statement waits, every later statement waits behind it, the application's SELECTs among
them. A reading therefore has to know who waits, and to let go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import GaveWayError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.translate import source_errors

#: How long a session of a reading waits for a lock before it gives up.
LOCK_TIMEOUT: Final[LiteralString] = "3s"
#: Settings of a session that waits only briefly for a lock, except in transactions that set a time-out of their own.
BRIEFLY: Final[Mapping[LiteralString, LiteralString]] = MappingProxyType({"lock_timeout": LOCK_TIMEOUT})

# The first reason: one of our sessions is at the end of a chain of sessions that wait for each other. An ALTER TABLE may
# wait for a CREATE INDEX CONCURRENTLY that waits for our snapshot. The second reason: a statement holds one table of our
# tree, waits for another, and will ask for ours next. If each reading let go only when its turn comes, the waits would add
# up. The service's own statements concern one chunk, and go no further.
_WAITING: Final[LiteralString] = """
WITH RECURSIVE locks AS MATERIALIZED (
    SELECT l.pid, l.relation, l.granted FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
), waiting AS (
    SELECT pid, relation FROM locks WHERE NOT granted AND pid <> ALL(%(ours)s)
), chain AS (
    SELECT w.pid AS waiter, b.pid AS blocker FROM waiting w, pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid)
    UNION
    SELECT c.waiter, b.pid FROM chain c, pg_catalog.unnest(pg_catalog.pg_blocking_pids(c.blocker)) AS b (pid)
), tree AS (
    SELECT coalesce(pg_catalog.pg_partition_root(named.oid)::oid, named.oid) AS root
    FROM (SELECT to_regclass(%(tree)s)::oid) named (oid)
), of_tree AS (
    SELECT l.pid, l.granted FROM locks l, tree
    WHERE EXISTS (SELECT FROM waiting) AND tree.root = coalesce(
        pg_catalog.pg_partition_root(l.relation)::oid,
        (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = l.relation LIMIT 1),
        l.relation)
)
SELECT w.relation::pg_catalog.regclass::text, coalesce(a.usename::text, 'somebody'), coalesce(a.application_name, '')
FROM waiting w LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
WHERE w.pid IN (SELECT waiter FROM chain WHERE blocker = ANY(%(ours)s))
   OR (w.pid IN (SELECT pid FROM of_tree WHERE granted) AND w.pid IN (SELECT pid FROM of_tree WHERE NOT granted)
       AND a.application_name <> pg_catalog.current_setting('application_name'))
LIMIT 1
"""
# A statement at work is cancelled, because the driver that copies aborts its process if a session ends before the first
# answer to a statement. A session that waits for its client, to take rows or to go on in a pipeline, hears of nothing but its
# own end. The number of a process alone could belong to somebody else by now.
_END: Final[LiteralString] = """
SELECT CASE WHEN a.state = 'active' AND coalesce(a.wait_event, '') NOT IN ('ClientRead', 'ClientWrite')
       THEN pg_catalog.pg_cancel_backend(a.pid) ELSE pg_catalog.pg_terminate_backend(a.pid) END
FROM pg_catalog.pg_stat_activity a
WHERE a.pid = ANY(%s) AND a.application_name = pg_catalog.current_setting('application_name') AND a.usename = session_user
"""


@dataclass(frozen=True, slots=True)
class Sessions:
    """The server's processes of the sessions that one reading has open; threads add theirs."""

    _pids: set[int] = field(default_factory=set)

    @contextmanager
    def with_one_more(self, pid: int) -> Iterator[None]:
        """Count one session more, for as long as it is open."""
        self._pids.add(pid)
        try:
            yield
        finally:
            self._pids.discard(pid)

    def add(self, pid: int) -> None:
        """A session of another process is open, which says so itself."""
        self._pids.add(pid)

    def discard(self, pid: int) -> None:
        """It is not any more."""
        self._pids.discard(pid)

    @property
    def pids(self) -> list[int]:
        """The processes that are open now."""
        return list(self._pids)


async def who_waits(conn: AsyncConnection[Any], sessions: Sessions, tree: Relation) -> str | None:
    """Somebody who waits for ACCESS EXCLUSIVE because of `sessions`, in words; `None` if nobody does.

    Whoever works through the tables of `tree` and comes to a table of these sessions next counts, too.
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(_WAITING, {"ours": sessions.pids, "tree": tree.sql})).fetchone()
    if row is None:
        return None
    table, user, application = row
    return f"{user}{f' ({application})' if application else ''} waits for a lock of {table}"


async def end(conn: AsyncConnection[Any], sessions: Sessions) -> None:
    """End `sessions` from the server's side, so that they let go of their locks whatever their clients wait for."""
    with source_errors():
        await conn.execute(_END, (sessions.pids,))


def locked_by_others(table: Relation) -> GaveWayError:
    """What to say when a lock of `table` was not to be had."""
    return GaveWayError(
        f"{table} is locked by somebody who alters it, or who waits to do so; it is read when they are done, and nobody has to"
        " do anything unless this goes on: then look in pg_stat_activity for whom they wait"
    )
