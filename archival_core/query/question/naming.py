"""Which tables of the source a statement means."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from archival_core.errors import PermanentError
from archival_core.query.question.caseless import caseless
from archival_core.query.question.statement import TableName
from archival_core.source.state.snapshot.readable import NamedTable


def resolved(asked: Collection[TableName], found: Sequence[NamedTable]) -> list[NamedTable]:
    """The tables that a statement means; names are spelled as in the catalog, or in other case."""
    chosen: dict[int, NamedTable] = {}
    for name in asked:
        schema = name.schema or "public"
        alike = [
            table
            for table in found
            if (caseless(table.relation.schema), caseless(table.relation.name)) == (caseless(schema), caseless(name.name))
        ]
        if len(alike) > 1:
            raise PermanentError(
                f"{', '.join(str(table.relation) for table in alike)} differ in case alone, which DuckDB takes for one name",
                code="query-names",
            )
        if not alike:
            others = sorted(str(table.relation) for table in found if table.relation.name.lower() == name.name.lower())
            why = f"did you mean {' or '.join(others)}?" if others else "a chunk, a partition or a view is none by itself"
            raise PermanentError(
                f"there is no table {schema}.{name.name} that you may read; {why}",
                code="unknown-table",
            )
        chosen[alike[0].oid] = alike[0]
    return list(chosen.values())
