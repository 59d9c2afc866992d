"""Which archives DuckDB reads by its own reader of Parquet, which takes half the processor time of Arrow's.

Arrow's reader gives rows to this process before DuckDB gets them. So it stays for files whose values are made others on the
way, and where DuckDB learns only while it answers which files it needs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pyarrow as pa

from archival_core.model.chunks.chunk import quote_literal
from archival_core.query.archives.archive import Archive, ArchivedFile
from archival_core.query.columns.presentation import type_name
from archival_core.query.engine.readings import Reading
from archival_core.query.scans.archived_rows import Forms


def by_own_reader(
    archives: Sequence[Archive], forms: Forms, time_column: str | None, reading: Reading
) -> tuple[list[Archive], list[tuple[Archive, ArchivedFile]]]:
    """The archives with those of their files that are not for DuckDB's own reader, and all files that are."""
    is_joined_by_time = time_column is not None and _duckdb_type(forms.stored.field(time_column).type) in reading.joined
    if forms.stored != forms.delivered or (is_joined_by_time and len(archives) > 1):
        return list(archives), []
    others, own = [], []
    for archive in archives:
        plain = [file for file in archive.files if not file.corrected]
        own += [(archive, file) for file in plain]
        if len(plain) < len(archive.files):
            others.append(replace(archive, files=tuple(file for file in archive.files if file not in plain)))
    return others, own


def read_parquet(names: Collection[str], schema: pa.Schema) -> str:
    """SQL of the files' rows. With the columns named and typed, DuckDB opens no file before it reads one."""
    columns = ", ".join(
        f"{quote_literal(field.name)}: {{name: {quote_literal(field.name)}, type: {quote_literal(type_name(field.type))},"
        " default_value: NULL}"
        for field in schema
    )
    return f"read_parquet([{', '.join(map(quote_literal, names))}], schema = MAP {{{columns}}})"


def _duckdb_type(kind: pa.DataType) -> str:
    """As plans have it."""
    name = type_name(kind)
    return "TIMESTAMP WITH TIME ZONE" if name == "TIMESTAMPTZ" else name
