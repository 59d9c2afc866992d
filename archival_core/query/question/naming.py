"""Which tables of the source a statement means, and which of their columns are meant beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from archival_core.errors import PermanentError
from archival_core.query.question.caseless import caseless
from archival_core.query.question.statement import TableName
from archival_core.source.state.snapshot.moment import TableThen
from archival_core.source.state.snapshot.readable import NamedTable

#: Of a table's columns, in a message.
_MOST_NAMED: Final = 50


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


def columns_named(as_text: Collection[str], tables: Sequence[TableThen]) -> frozenset[str]:
    """The names of columns that are wanted as texts, as DuckDB compares them.

    Raises `PermanentError` (`query-invalid`) where no table has a column of such a name.
    """
    known = {caseless(column.name) for table in tables for column in table.columns}
    if unknown := sorted({name for name in as_text if caseless(name) not in known}):
        there = [f"{table.table.relation} has {_listed([column.name for column in table.columns])}" for table in tables]
        raise PermanentError(
            f"as_text names {', '.join(unknown)}, and no table of the question has that: {'; '.join(there) or 'it has none'}",
            code="query-invalid",
        )
    return frozenset(caseless(name) for name in as_text)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")
