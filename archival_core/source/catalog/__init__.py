"""What there is in the source database: hypertables, partitions, columns, the DDL that makes them, and who the server is."""

from archival_core.source.catalog.lookup import (
    asked,
    chunks,
    chunks_ending_by,
    columns,
    database_identity,
    describe_ddl,
    find_chunk,
    server_identity,
    source_bytes,
)

__all__ = [
    "asked",
    "chunks",
    "chunks_ending_by",
    "columns",
    "database_identity",
    "describe_ddl",
    "find_chunk",
    "server_identity",
    "source_bytes",
]
