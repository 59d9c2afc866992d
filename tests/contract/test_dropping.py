"""What is dropped is the table that was proven, whatever has its name meanwhile."""

from __future__ import annotations

import psycopg
import pytest

from archival_core.errors import TransientError
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.removal import dropping

TABLE = """
CREATE TABLE {0}.t (at int) PARTITION BY RANGE (at);
CREATE TABLE {0}.t0 PARTITION OF {0}.t FOR VALUES FROM (0) TO (9);
INSERT INTO {0}.t VALUES (1)
"""


async def test_a_schema_that_takes_the_name_of_another(source_database_url: str, schema: str) -> None:
    """As where a new version of all tables is made in a schema of its own, which then gets the name of the former."""
    former, next_one = f"{schema}_former", f"{schema}_next"
    with psycopg.connect(source_database_url, autocommit=True) as other:
        other.execute(f"CREATE SCHEMA {next_one}".encode())
        for one in (schema, next_one):
            other.execute(TABLE.format(one).encode())
        try:
            async with await psycopg.AsyncConnection.connect(source_database_url, autocommit=True) as conn:
                chunk = await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "t0"))
                with pytest.raises(TransientError) as raised:
                    async with dropping.locked(conn, chunk):
                        other.execute(f"ALTER SCHEMA {schema} RENAME TO {former}".encode())
                        other.execute(f"ALTER SCHEMA {next_one} RENAME TO {schema}".encode())
                        await dropping.drop(conn, chunk)
                assert raised.value.code == "dropped-other"
                for one in (schema, former):
                    assert other.execute(f"SELECT count(*) FROM {one}.t".encode()).fetchone() == (1,)
                chunk = await catalog.find_chunk(conn, Relation(schema, "t"), Relation(schema, "t0"))
                async with dropping.locked(conn, chunk):
                    await dropping.drop(conn, chunk)
                assert other.execute(f"SELECT count(*) FROM {schema}.t".encode()).fetchone() == (0,)
        finally:
            other.execute(f"DROP SCHEMA IF EXISTS {former} CASCADE; DROP SCHEMA IF EXISTS {next_one} CASCADE".encode())
