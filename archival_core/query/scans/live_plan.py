"""Which chunks of the database PostgreSQL reads for a question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from archival_core.model.chunks.chunk import Relation
from archival_core.source.state.snapshot.moment import Moment
from archival_core.source.statement import expression, name_of
from archival_core.source.translate import source_errors

_LEAVES: Final[LiteralString] = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY(%s::bigint[]::oid[]) AND c.relkind = 'r' AND c.oid <> %s::bigint::oid ORDER BY 1, 2
"""
_EXPLAIN: Final = sql.SQL("EXPLAIN (VERBOSE, FORMAT JSON) SELECT FROM {} WHERE {}")


async def chunks_read(conn: AsyncConnection[Any], then: Moment, told: dict[str, Any]) -> list[dict[str, Any]]:
    """Each chunk of the table, and whether a plan for one of the conditions reads it; `conn` is that of the moment."""
    table = next(table for table in then.then if str(table.table.relation) == told["table"])
    with source_errors():
        async with conn.cursor(row_factory=tuple_row) as cur:
            rows = await (await cur.execute(_LEAVES, (list(table.members), table.table.oid))).fetchall()
            chunks = {Relation(schema, name): False for schema, name in rows}
            for condition in told["conditions"] if chunks else ():
                # made by `filters.to_sql`, whose values are quoted
                explain = _EXPLAIN.format(name_of(table.table.relation), expression(condition))
                [(plans,)] = await (await cur.execute(explain)).fetchall()
                for read in _relations(plans):
                    if read in chunks:
                        chunks[read] = True
    return [{"chunk": str(chunk), "is_read": is_read} for chunk, is_read in chunks.items()]


def _relations(plan: Any) -> Iterator[Relation]:
    """Every table that a plan reads."""
    if isinstance(plan, list):
        for item in plan:
            yield from _relations(item)
    elif isinstance(plan, dict):
        if "Relation Name" in plan:
            yield Relation(plan.get("Schema", ""), plan["Relation Name"])
        for item in plan.values():
            yield from _relations(item)
