"""Small tables that PostgreSQL takes for large ones."""

from __future__ import annotations

import psycopg

_PAGES = """
UPDATE pg_class SET relpages = %s
WHERE relkind = 'r' AND (relnamespace = %s::text::regnamespace OR oid IN (
    SELECT i.inhrelid FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent AND p.relnamespace = %s::text::regnamespace
))
"""


def look_large(url: str, schema: str, pages: int = 4096) -> None:
    """Let the estimate of each table of `schema`, and of its partitions, be so many pages, until it is next analysed."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(_PAGES, (pages, schema, schema))
