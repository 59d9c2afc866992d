"""SQL that makes a hypertable again. It is kept with the archive, for whoever has only the lake.

The SQL has the schema, enum types, domains and composite types that the columns' values hold, sequences that columns own, the
table, its constraints, its indexes, and how it is partitioned. It has no data, privileges, triggers, policies or extensions.

PostgreSQL's functions that print a definition look at the catalog of this moment, whatever the transaction's snapshot is.
They print NULL for what was dropped meanwhile. That NULL has to reach `describe`, which then says that the table is
changing. So the SQL is put together with `||`, which keeps a NULL, and not with `format`, which would print nothing in its
place.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql

from archival_core.errors import TransientError
from archival_core.model.chunks.chunk import Relation, quote_identifier
from archival_core.source.at_once import together
from archival_core.source.catalog.definition.used_types import USED_TYPES
from archival_core.source.catalog.partitioning import timescaledb

#: Fields that are SQL. They are NULL only for what was dropped meanwhile.
_TEXTS: Final = frozenset({"clause", "statement", "ownership"})

#: SQL of a composite type's attributes, `t` being the type.
ATTRIBUTES: Final[LiteralString] = """
coalesce((SELECT string_agg(format('%%I %%s', a.attname, format_type(a.atttypid, a.atttypmod))
                            || coalesce((SELECT format(' COLLATE %%I.%%I', cn.nspname, c.collname)
                                         FROM pg_catalog.pg_collation c
                                         JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
                                         JOIN pg_catalog.pg_type own ON own.oid = a.atttypid
                                         WHERE c.oid = a.attcollation AND a.attcollation <> own.typcollation), ''),
                            ', ' ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '')
"""
# `oid` of the table is looked up in each: names are parameters, never pasted.
TYPES: Final[LiteralString] = f"""
{USED_TYPES}
SELECT CASE t.typtype WHEN 'e' THEN
           (SELECT format('CREATE TYPE %%I.%%I AS ENUM (%%s);', n.nspname, t.typname,
                   string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder))
            FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
       WHEN 'c' THEN format('CREATE TYPE %%I.%%I AS (', n.nspname, t.typname) || {ATTRIBUTES} || ');'
       ELSE
           format('CREATE DOMAIN %%I.%%I AS %%s%%s%%s%%s;', n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod),
                  ' DEFAULT ' || t.typdefault, CASE WHEN t.typnotnull THEN ' NOT NULL' END,
                  (SELECT string_agg(format(' CONSTRAINT %%I ', k.conname) || pg_get_constraintdef(k.oid), ''
                                     ORDER BY k.conname)
                   FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
       END AS statement
FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.type JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (t.typtype IN ('d', 'e') OR EXISTS (SELECT FROM pg_catalog.pg_class r WHERE r.oid = t.typrelid AND r.relkind = 'c'))
ORDER BY t.typtype <> 'e', t.oid
"""

SEQUENCES: Final[LiteralString] = """
SELECT format('CREATE SEQUENCE IF NOT EXISTS %%I.%%I AS %%s INCREMENT %%s START %%s;', n.nspname, s.relname,
              format_type(q.seqtypid, NULL), q.seqincrement, q.seqstart) AS statement,
       format('ALTER SEQUENCE %%I.%%I OWNED BY %%s.%%I;', n.nspname, s.relname, %(table)s::text, a.attname) AS ownership
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
  AND d.refobjid = to_regclass(%(table)s)
ORDER BY s.relname
"""

COLUMNS: Final[LiteralString] = """
SELECT format('%%I %%s', a.attname, format_type(a.atttypid, a.atttypmod))
    || coalesce((SELECT format(' COLLATE %%I.%%I', cn.nspname, c.collname)
                 FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
                 WHERE c.oid = a.attcollation AND a.attcollation <> t.typcollation), '')
    || CASE WHEN a.attgenerated = 's' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
            WHEN a.attgenerated = 'v' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') VIRTUAL'
            WHEN a.attidentity = 'a' THEN ' GENERATED ALWAYS AS IDENTITY'
            WHEN a.attidentity = 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY'
            WHEN d.adbin IS NULL THEN '' ELSE ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END AS clause
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

# NOT NULL stands with its column (PostgreSQL 18 lists it as a constraint as well); foreign keys come last.
CONSTRAINTS: Final[LiteralString] = """
SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I ', %(table)s::text, k.conname) || pg_get_constraintdef(k.oid) || ';'
       AS statement
FROM pg_catalog.pg_constraint k
WHERE k.conrelid = to_regclass(%(table)s) AND k.contype IN ('p', 'u', 'c', 'x', 'f')
ORDER BY k.contype = 'f', k.contype, k.conname
"""

# An index of a partitioned table is printed with ONLY, which would leave it invalid.
INDEXES: Final[LiteralString] = """
SELECT CASE WHEN c.relkind = 'I'
            THEN regexp_replace(pg_get_indexdef(i.indexrelid),
                                '^(CREATE (UNIQUE )?INDEX ("([^"]|"")+"|[^ "]+) ON )ONLY ', '\\1')
            ELSE pg_get_indexdef(i.indexrelid) END || ';' AS statement
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass(%(table)s)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY c.relname
"""

PARTITION_KEY: Final[LiteralString] = """
SELECT ' PARTITION BY ' || pg_get_partkeydef(to_regclass(%(table)s)) AS clause
"""

DIMENSIONS: Final[LiteralString] = """
SELECT dimension_number, quote_literal(column_name) AS column_literal, num_partitions,
       coalesce('INTERVAL ' || quote_literal(time_interval::text), integer_interval::text) AS interval
FROM timescaledb_information.dimensions
WHERE hypertable_schema = %(schema)s AND hypertable_name = %(name)s
ORDER BY dimension_number
"""


async def describe(conn: AsyncConnection[Any], table: Relation, *, is_timescaledb: bool) -> str:
    """The statements, in an order in which they run; names are qualified (`session.TEXT_FORMS` must be pinned).

    Raises `TransientError` (`source-changed`) if the table is altered or dropped meanwhile.
    """
    names = {"table": table.sql, "schema": table.schema, "name": table.name}
    of_kind = (timescaledb.EXTENSION, DIMENSIONS) if is_timescaledb else (PARTITION_KEY,)
    found = await together(conn, (COLUMNS, TYPES, SEQUENCES, CONSTRAINTS, INDEXES, *of_kind), names)
    columns, types, sequences, constraints, indexes, *divided = found
    is_there = columns and all(divided)
    if not is_there or any(row[field] is None for rows in found for row in rows for field in _TEXTS & row.keys()):
        raise TransientError(f"{table} was altered or dropped while it was described", code="source-changed")
    clauses = ",\n".join(f"    {row['clause']}" for row in columns)
    partition_by = "" if is_timescaledb else divided[0][0]["clause"]
    return "".join(
        f"{statement}\n"
        for statement in (
            f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(table.schema)};",
            *(_unless_there(row["statement"]) for row in types),
            *(row["statement"] for row in sequences),
            f"CREATE TABLE {table.sql} (\n{clauses}\n){partition_by};",
            *(row["ownership"] for row in sequences),
            *(row["statement"] for row in constraints),
            *(_hypertable(sql.Literal(table.sql).as_string(conn), divided[0][0], divided[1]) if is_timescaledb else ()),
            *(row["statement"] for row in indexes),
        )
    )


def _unless_there(create_type: str) -> str:
    """The statement, inside a block that passes over an existing type: PostgreSQL has no IF NOT EXISTS for types, and types
    outlive the table.
    """
    quote = "$make$"
    while quote in create_type:
        quote = f"${quote[1:-1]}_$"
    return f"DO {quote} BEGIN {create_type} EXCEPTION WHEN duplicate_object THEN NULL; END {quote};"


def _hypertable(table: str, extension: dict[str, Any], dimensions: list[dict[str, Any]]) -> list[str]:
    """The calls that exist in every version from 2.10; `table` is a literal."""
    schema = quote_identifier(extension["schema"])
    first, *more = dimensions
    statements = [
        f"SELECT {schema}.create_hypertable({table}, {first['column_literal']}, "
        f"chunk_time_interval => {first['interval']}, create_default_indexes => false);"
    ]
    for dimension in more:
        how = (
            f"number_partitions => {dimension['num_partitions']}"
            if dimension["num_partitions"] is not None
            else f"chunk_time_interval => {dimension['interval']}"
        )
        statements.append(f"SELECT {schema}.add_dimension({table}, {dimension['column_literal']}, {how});")
    return statements
