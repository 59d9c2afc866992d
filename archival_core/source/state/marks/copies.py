"""The copies of archives: which tables of their own have the rows of an archive that was restored into them.

A copy says nothing about the archive, which goes on standing in for the rows that are gone. But somebody may make a copy part
of the archive's table, and the rows are live rows from then on. The transaction that makes the copy notes it, so that one
snapshot of the source tells whether the rows of an archive are in the table again.

A note holds of the table's file alone: TRUNCATE writes the table anew, and so do statements that keep its rows. What rows are
in the table then is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg import errors as postgres
from psycopg.rows import tuple_row

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source import catalog
from archival_core.source.state.marks import mark_schema
from archival_core.source.translate import source_errors

_MAKE: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS archival_marks.copy (
    archive           uuid NOT NULL,
    lake_path         text NOT NULL,
    hypertable_oid    bigint,
    hypertable_born   text,
    target            bigint NOT NULL,
    oid               bigint NOT NULL,
    born              text NOT NULL,
    file              text NOT NULL,
    system_identifier text NOT NULL,
    copied_at         timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (archive, target, oid)
);
CREATE INDEX IF NOT EXISTS copy_of_table ON archival_marks.copy (oid, born);
COMMENT ON TABLE archival_marks.copy IS
    'Tables of their own that archives were restored into. Where one becomes part of the archive''s table, its rows count.';
"""
# Whoever reads marks by another role, as people do who ask under their own rights, reads notes as well.
_LET_READ: Final[LiteralString] = """
DO $$
DECLARE reader text;
BEGIN
    FOR reader IN
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END
        FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
        WHERE c.oid = 'archival_marks.stand_in'::pg_catalog.regclass AND a.privilege_type = 'SELECT'
    LOOP
        EXECUTE 'GRANT SELECT ON archival_marks.copy TO ' || reader;
    END LOOP;
END $$
"""
#: An archive that goes into a table again is in the tables that have its rows now.
_FORGET: Final = sql.SQL("DELETE FROM archival_marks.copy WHERE archive = {archive} AND target = {target}::pg_catalog.regclass")
_RECORD: Final = sql.SQL("""
INSERT INTO archival_marks.copy
    (archive, lake_path, hypertable_oid, hypertable_born, target, oid, born, file, system_identifier)
SELECT {archive}, {lake_path}, {hypertable_oid}, {hypertable_born}, {target}::pg_catalog.regclass::pg_catalog.oid,
       t.oid, a.xmin::text, c.relfilenode::text, {system_identifier}
FROM (SELECT DISTINCT tableoid AS oid FROM {there}) t
JOIN pg_catalog.pg_class c ON c.oid = t.oid
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tableoid' AND a.attnum < 0
""")
# A dump brings notes along to another server, where tables are numbered anew. A server that does not tell who it is has the
# table's oid, the transaction that made it and its file to be recognised by.
_HERE: Final[LiteralString] = "(c.system_identifier = %(server)s OR '' IN (c.system_identifier, %(server)s))"
#: The copies of which a table is one of some tables. A copy in a partitioned table is in several tables.
_AMONG: Final[LiteralString] = f"""
SELECT c.lake_path, pg_catalog.bool_and(m.oid IS NOT NULL AND m.file = c.file)
FROM archival_marks.copy c LEFT JOIN (
    SELECT asked.oid, asked.file, a.xmin::text AS born
    FROM unnest(%(oids)s::bigint[], %(files)s::text[]) AS asked (oid, file)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = asked.oid::oid AND a.attname = 'tableoid' AND a.attnum < 0
) m ON m.oid = c.oid AND m.born = c.born
WHERE {_HERE}
GROUP BY c.archive, c.lake_path, c.target HAVING pg_catalog.bool_or(m.oid IS NOT NULL)
"""
_UNSETTLED: Final[LiteralString] = f"""
SELECT DISTINCT s.chunk, s.lake_path
FROM unnest(%(oids)s::bigint[], %(borns)s::text[]) AS asked (oid, born)
JOIN archival_marks.copy c ON c.oid = asked.oid AND c.born = asked.born
JOIN archival_marks.stand_in s ON s.archive = c.archive AND s.lake_path = c.lake_path
WHERE s.kind IN ('removed', 'dropped by others') AND {_HERE} AND CASE
    WHEN c.hypertable_born IS NULL THEN s.hypertable = %(name)s
    ELSE EXISTS (
        SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = to_regclass(%(table)s) AND a.attname = 'tableoid' AND a.attnum < 0
          AND c.hypertable_oid = a.attrelid::bigint AND c.hypertable_born = a.xmin::text
    ) END
ORDER BY 1, 2
"""
_NEW_ARCHIVE: Final[LiteralString] = """
INSERT INTO archival_marks.copy
    (archive, lake_path, hypertable_oid, hypertable_born, target, oid, born, file, system_identifier, copied_at)
SELECT %(archive)s, %(lake_path)s, hypertable_oid, hypertable_born, target, oid, born, file, system_identifier, copied_at
FROM archival_marks.copy WHERE archive = %(former)s
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """An archive that goes into a table of its own, as its note has it."""

    #: its job
    archive: UUID
    lake_path: str
    #: the table that the archive was taken from, if that is known by an identity that holds here
    hypertable: TableIdentity | None
    #: of the server that gets the copy; empty if it does not tell
    system_identifier: str


@dataclass(frozen=True, slots=True)
class CopiesThere:
    """Archives whose copies are among the tables in which a table's rows lie, by their folders in the lake."""

    #: all of the copy is there, as it was noted
    whole: frozenset[str] = frozenset()
    #: only some of the copy's tables are there, or one was written anew
    doubtful: frozenset[str] = frozenset()


async def ensure(conn: AsyncConnection[Any]) -> bool:
    """Make the table of notes if it is not there, on an idle connection; false if the role may not."""
    if not await mark_schema.ensure(conn):
        return False
    with source_errors():
        if await mark_schema.has_table(conn, "archival_marks.copy"):
            return True
        try:
            async with conn.transaction():
                await conn.execute(_MAKE)
                await conn.execute(_LET_READ)
        except (postgres.UniqueViolation, postgres.DuplicateTable):
            return True  # another restore was faster: IF NOT EXISTS does not see what is not committed
        except (postgres.InsufficientPrivilege, postgres.ReadOnlySqlTransaction):
            return False
    return True


async def is_there(conn: AsyncConnection[Any]) -> bool:
    """Whether this database has the table of notes."""
    with source_errors():
        return await mark_schema.has_table(conn, "archival_marks.copy")


async def forget(conn: AsyncConnection[Any], copy: Copy, target: Relation) -> None:
    """Forget where an earlier copy is, in the transaction that makes the copy anew and before `record`."""
    await conn.execute(_FORGET.format(archive=sql.Literal(copy.archive), target=sql.Literal(target.sql)))


async def record(conn: AsyncConnection[Any], copy: Copy, target: Relation, there: sql.Composable) -> None:
    """Note where the copy is, in the transaction that makes it: in the tables that have rows of `there`.

    `target` is the table that was named to restore into, and `there` is SQL of the archive's range in it.
    """
    await conn.execute(
        _RECORD.format(
            archive=sql.Literal(copy.archive),
            lake_path=copy.lake_path,
            hypertable_oid=copy.hypertable.oid if copy.hypertable else None,
            hypertable_born=copy.hypertable.born if copy.hypertable else None,
            target=sql.Literal(target.sql),
            system_identifier=copy.system_identifier,
            there=there,
        )
    )


async def among(conn: AsyncConnection[Any], server: str, members: Mapping[int, str]) -> CopiesThere:
    """The copies of archives among `members`, the tables of one tree: each with its file, by its oid.

    `server` is the system identifier of the server, empty if it does not tell. The table of notes has to be there (`is_there`).
    """
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            values = {"oids": [*members], "files": [*members.values()], "server": server}
            found = await (await cur.execute(_AMONG, values)).fetchall()
    whole = frozenset(path for path, is_whole in found if is_whole)
    return CopiesThere(whole, frozenset(path for path, _ in found) - whole)


async def check_settled(conn: AsyncConnection[Any], hypertable: Relation, tables: Collection[TableIdentity]) -> None:
    """Raise `PermanentError` (`copy-unsettled`) if one of `tables` is, or was, a copy of an archive of `hypertable` that stands
    in for its rows still.

    An archive of such a table has the same rows, and both would stand in for them once the table is gone.
    """
    with source_errors():
        if not await mark_schema.has_table(conn, "archival_marks.copy"):
            return
        values = {
            "oids": [table.oid for table in tables],
            "borns": [table.born for table in tables],
            "server": (await catalog.database_identity(conn)).system_identifier,
            "name": str(hypertable),
            "table": hypertable.sql,
        }
        async with conn.cursor(row_factory=tuple_row) as cur:
            found = await (await cur.execute(_UNSETTLED, values)).fetchall()
    if found:
        chunks = ", ".join(chunk for chunk, _ in found)
        raise PermanentError(
            f"the rows were restored from the archive of {chunks} into a table of their own, which became part of {hypertable},"
            " and that archive stands in for its rows still: restore it without `into`, which inserts no row that is there, and"
            f" records that they are back (`archival restore {hypertable} --chunk {found[0][0]}`)",
            code="copy-unsettled",
        )


async def hand_over(conn: AsyncConnection[Any], former: UUID, archive: UUID, lake_path: str) -> None:
    """Let the copies of `former` be those of `archive` too, which has the same rows, in the transaction of `conn`."""
    if await mark_schema.has_table(conn, "archival_marks.copy"):
        await conn.execute(_NEW_ARCHIVE, {"former": former, "archive": archive, "lake_path": lake_path})
