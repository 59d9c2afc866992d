"""Rows of queries that answer with exactly one."""

from __future__ import annotations

from psycopg import AsyncCursor


async def one[Row](cursor: AsyncCursor[Row]) -> Row:
    """The first row of the answer, which has to be there."""
    row = await cursor.fetchone()
    assert row is not None, "the query answered with no row"
    return row
