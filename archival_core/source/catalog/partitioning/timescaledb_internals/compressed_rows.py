"""The table that holds the compressed rows of a chunk, as TimescaleDB's own tables name it."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.source.catalog.partitioning.timescaledb_internals.forms import Form

#: SQL of the oid of the table with a chunk's compressed rows; no row where there is none.
_COMPRESSED_BY_NAME: Final[LiteralString] = """
SELECT t.oid FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN _timescaledb_catalog.chunk u ON u.schema_name = n.nspname AND u.table_name = c.relname
JOIN _timescaledb_catalog.chunk k ON k.id = u.compressed_chunk_id
JOIN pg_catalog.pg_namespace m ON m.nspname = k.schema_name
JOIN pg_catalog.pg_class t ON t.relnamespace = m.oid AND t.relname = k.table_name
WHERE c.oid = %(chunk)s::bigint::oid
"""
_COMPRESSED_BY_OID: Final[LiteralString] = """
SELECT s.compress_relid::oid FROM _timescaledb_catalog.compression_settings s
WHERE s.relid = %(chunk)s::bigint::oid AND s.compress_relid IS NOT NULL
"""
_NAMED: Final[LiteralString] = """
SELECT n.nspname AS schema, c.relname AS name, c.relfilenode::bigint AS file
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN (
"""


async def compressed_oid(conn: AsyncConnection[Any], chunk: Chunk) -> LiteralString | None:
    """SQL with the parameter `chunk`, an oid: the oid of the table that holds the compressed rows of a chunk, or no row.

    `None` where no known form is found and `chunk` has no compressed rows. Raises `PermanentError` (`unknown-timescaledb`)
    where it has.
    """
    form = await Form.of(conn)
    if form.has("chunk", "id", "schema_name", "table_name", "compressed_chunk_id"):
        return _COMPRESSED_BY_NAME
    if form.has("compression_settings", "relid", "compress_relid"):
        return _COMPRESSED_BY_OID
    if chunk.is_compressed:
        raise form.unknown(f"where the compressed rows of {chunk.relation} are")
    return None


async def compressed_table(conn: AsyncConnection[Any], chunk: Chunk) -> tuple[Relation, int]:
    """The table that holds the compressed rows of `chunk`, which is compressed, and its file.

    Raises `PermanentError` (`unknown-timescaledb`).
    """
    query = await compressed_oid(conn, chunk)
    assert query is not None, "given for each compressed chunk"
    async with conn.cursor(row_factory=dict_row) as cur:
        row = await (await cur.execute(_NAMED + query + ")", {"chunk": chunk.oid})).fetchone()
    if row is None:
        raise (await Form.of(conn)).unknown(f"where the compressed rows of {chunk.relation} are")
    return Relation(row["schema"], row["name"]), row["file"]
