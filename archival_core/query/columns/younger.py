"""Columns that are younger than archived rows: what PostgreSQL gave such rows, if that is certain.

PostgreSQL keeps one value of a column for rows that were stored before it, in every table that had such rows, and forgets it
where a table is written anew. A value is certain only where those who know agree, and nobody guesses: a column of which
nothing is certain cannot be asked of older rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from archival_core.model.chunks.chunk import Column, quote_literal
from archival_core.model.lake.lake_column import LakeColumn
from archival_core.query.columns.truth import elements_of, number_of
from archival_core.source.catalog.definition.defaults import Witness

#: Types whose form in archives is another text than the one that PostgreSQL prints.
_OTHER_TEXTS: Final = frozenset({"money", "xml", "regproc", "regoper"})


@dataclass(frozen=True, slots=True)
class Known:
    """PostgreSQL's text of what older rows have, or `None` for NULL."""

    text: str | None


def known(
    column: Column, witnesses: Sequence[Witness], recorded: Collection[LakeColumn], born: Collection[str]
) -> Known | None:
    """What rows have that were stored before `column`; `None` if that is not certain.

    `witnesses` are tables of the hypertable's tree, `recorded` what the ledger has of this column of this very table, in all
    types that it had, and `born` the transactions that made the chunks whose archives lack the column.
    """
    if column.generated is not None:
        return None
    texts = {one.text for one in witnesses if one.text is not None}
    # a table that was made after the column, and attached, has a value of its own
    is_doubtful = len(texts) > 1 or any(one.text is not None and one.is_younger for one in witnesses)
    is_null = any(one.text is None and one.is_untouched and (one.is_root or one.born in born) for one in witnesses)
    if not is_doubtful and len(texts) + is_null == 1:
        return Known(next(iter(texts), None))
    told = {one.default for one in recorded if one.default is not None}
    if len(told) == 1 and {one.postgresql_type for one in recorded} == {column.type_name}:
        return Known(told.pop())
    if texts or told or column.not_null or any(one.has_default for one in witnesses):
        return None
    return Known(None)


def value_of(text: str, column: Column, kind: pa.DataType) -> str | None:
    """SQL of the value that PostgreSQL prints as `text`, in the form `kind` that live values arrive in.

    `None` for a text that cannot be read without a doubt.
    """
    if column.base_type.rpartition(".")[2] in _OTHER_TEXTS and column.base_type.startswith("pg_catalog."):
        return None
    try:
        if not pa.types.is_list(kind):
            return _value(text, kind)
        if "\\" in text or '"NULL"' in text.upper():
            return None
        values = ["NULL" if one is None else _value(one, kind.value_type) for one in elements_of(text)]
    except (ValueError, OverflowError):
        return None
    return None if None in values else f"[{', '.join(filter(None, values))}]"


def _value(text: str, kind: pa.DataType) -> str | None:
    if pa.types.is_string(kind):
        return quote_literal(text)
    if pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        name = "DATE" if pa.types.is_date32(kind) else "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
        if text in ("infinity", "-infinity"):
            return f"CAST('{text}' AS {name})"
        number = number_of(kind)
        assert number is not None
        count = number(text)
        return f"(DATE '1970-01-01' + CAST({count} AS INTEGER))" if name == "DATE" else f"make_{name.lower()}({count}::BIGINT)"
    if pa.types.is_binary(kind):
        return f"unhex('{bytes.fromhex(text[2:]).hex()}')" if text.startswith("\\x") else None
    # DuckDB reads the numbers and booleans that PostgreSQL prints; NaN in a decimal is no value of DuckDB's
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return quote_literal(text) if is_number or (pa.types.is_decimal(kind) and text != "NaN") else None
