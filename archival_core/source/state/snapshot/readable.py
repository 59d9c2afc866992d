"""Which tables a question may be about: those whose columns a role may read, and the role under which rows are read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.at_once import together
from archival_core.source.translate import source_errors

#: Schemas whose tables are nobody's data.
_OURS: Final = ["archival", "archival_marks", "archival_restore"]

# Parts of tables are none by themselves: what is archived of a chunk is not there under the chunk's name.
_TABLES: Final[LiteralString] = """
SELECT n.nspname AS schema, c.relname AS name, CASE WHEN c.relkind = 'p' THEN 'native' ELSE 'plain' END AS kind,
       c.oid::bigint AS oid, c.relkind = 'm' AS is_materialized
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND NOT c.relispartition
  AND (%(names)s::text[] IS NULL OR pg_catalog.lower(c.relname COLLATE "C") IN
       (SELECT pg_catalog.lower(asked COLLATE "C") FROM pg_catalog.unnest(%(names)s::text[]) AS asked))
  AND n.nspname <> ALL(%(ours)s) AND n.nspname !~ '^(pg_|_timescaledb_|information_schema$|timescaledb_)'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)
  AND pg_catalog.has_schema_privilege(%(role)s, n.oid, 'USAGE')
  AND pg_catalog.has_any_column_privilege(%(role)s, c.oid, 'SELECT')
ORDER BY 1, 2
"""
_HYPERTABLES: Final[LiteralString] = """
SELECT h.hypertable_schema, h.hypertable_name FROM timescaledb_information.hypertables h
"""
_HAS_TIMESCALEDB: Final[LiteralString] = "SELECT FROM pg_catalog.pg_extension WHERE extname = 'timescaledb'"
_ROLE: Final[LiteralString] = """
SELECT r.rolname FROM pg_catalog.pg_roles r
WHERE r.rolname = coalesce(nullif(%s, ''), current_user) AND pg_catalog.pg_has_role(r.oid, 'MEMBER')
"""

TableKind = Literal["timescaledb", "native", "plain"]


@dataclass(frozen=True, slots=True)
class NamedTable:
    """A table that can be asked."""

    relation: Relation
    kind: TableKind
    oid: int
    #: a materialized view, which is read like a table
    is_materialized: bool


async def acting_role(conn: AsyncConnection[Any], role: str) -> str:
    """The role under which rows are read: `role`, or the session's own where it is empty.

    Raises `PermanentError` (`query-role`) where the session may not take it.
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            row = await (await cur.execute(_ROLE, (role,))).fetchone()
    if row is None:
        raise PermanentError(
            f"the service is no member of the role {role!r}, which QUERY_ROLE names: CREATE ROLE, and GRANT it to the"
            " service's role",
            code="query-role",
        )
    return str(row[0])


async def readable_tables(conn: AsyncConnection[Any], role: str, names: Collection[str] | None = None) -> list[NamedTable]:
    """Tables that `role` may read columns of; those with one of `names`, whatever the case of A to Z, where they are given."""
    given = {"names": None if names is None else list(names), "ours": _OURS, "role": role}
    with source_errors():
        found, extension = await together(conn, (_TABLES, _HAS_TIMESCALEDB), given)
        hypertables: set[tuple[str, str]] = set()
        if extension:
            async with conn.cursor(row_factory=tuple_row) as cur:
                hypertables = set(await (await cur.execute(_HYPERTABLES)).fetchall())
    return [
        NamedTable(
            Relation(row["schema"], row["name"]),
            "timescaledb" if (row["schema"], row["name"]) in hypertables else row["kind"],
            row["oid"],
            row["is_materialized"],
        )
        for row in found
    ]
