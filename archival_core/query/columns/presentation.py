"""A hypertable's own columns and types in DuckDB: SQL that makes them of live rows, and of archives of whichever age.

A type that DuckDB has is given as DuckDB's own, and any other as the text that PostgreSQL prints. A value that the type does
not hold (a NaN in a numeric(10,2)) ends the question with advice, and is never given as another value or as NULL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from archival_core.model.chunks.chunk import Column, quote_identifier, quote_literal
from archival_core.model.lake.manifest import ManifestColumn
from archival_core.query.columns.retyped import conversion
from archival_core.query.columns.truth import is_printable
from archival_core.query.columns.younger import Known, value_of
from archival_core.source.restore.columns.wire import wire_of
from archival_core.source.wire.columns import plan_columns

#: What travels as text and is a type of DuckDB's as well.
_SPECIAL: Final = {
    "pg_catalog.uuid": "UUID",
    "pg_catalog.json": "JSON",
    "pg_catalog.jsonb": "JSON",
    "pg_catalog.interval": "INTERVAL",
    "pg_catalog.time": "TIME",
}
#: Numbers and moments that DuckDB has no type for every value of: it has their text, and would compare that. By PostgreSQL's
#: type: a type of DuckDB's that holds most of the values.
_NUMBERS_AND_MOMENTS: Final[Mapping[str, str]] = {
    "pg_catalog.numeric": "DECIMAL(38, 10)",
    "pg_catalog.money": "DECIMAL(38, 2)",
    "pg_catalog.timetz": "TIMETZ",
    "pg_catalog.xid8": "UBIGINT",
}
#: Stands before what `error` says, so that whoever gets DuckDB's error can tell it from DuckDB's own.
UNFIT: Final = "value-without-form: "
_NAMES: Final[Mapping[pa.DataType, str]] = {
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
}


class PresentColumn:
    """A column of the table as it is now."""

    def __init__(self, column: Column, missing: Known | None, *, as_text: bool) -> None:
        #: as it is in the catalog
        self.column = column
        self.as_text = as_text
        self._missing = missing
        #: in which type its live values arrive
        self.arrow: pa.DataType = plan_columns([column], as_text=[column.name] if as_text else ()).schema.field(0).type
        special = None if as_text else _SPECIAL.get(column.base_type)
        self._special = f"{special}[]" if special and column.is_array else special
        #: its type in DuckDB
        self.type_name = self._special or type_name(self.arrow)

    @property
    def compares_as(self) -> str | None:
        """Of a number or a moment that the question has as text, the type to CAST it to before it is compared.

        `None` of any other column, and of one that is wanted as text.
        """
        kind = _NUMBERS_AND_MOMENTS.get(self.column.base_type)
        if kind is None or self.as_text or "VARCHAR" not in self.type_name:
            return None
        return f"{kind}[]" if self.column.is_array else kind

    @property
    def live(self) -> str:
        """SQL of the value, of a live row."""
        return self._own(quote_identifier(self.column.name))

    @property
    def missing(self) -> str:
        """SQL of the value in rows that are older than the column."""
        if self._missing is None:
            says = error(
                f"column {self.column.name} is younger than archived rows, and what they have in it is not certain (the column"
                " is generated, or its default was computed or is not known any more): leave it out, or ask for younger rows"
            )
            return f"CAST({says} AS {self.type_name})"
        text = self._missing.text
        if text is None:
            return f"NULL::{self.type_name}"
        if self.as_text:
            return quote_literal(text)
        value = value_of(text, self.column, self.arrow)
        return self._error() if value is None else self._own(f"CAST({value} AS {type_name(self.arrow)})")

    def delivered(self, then: ManifestColumn) -> pa.DataType:
        """In which type an archive's values come, whatever the files have: as PostgreSQL's text, if that is known."""
        stored = arrow_type(then)
        return pa.string() if self.as_text and is_printable(stored, then.postgresql_type) else stored

    def archived(self, then: ManifestColumn) -> str:
        """SQL of the value, of an archive's row that has the column as `then` says."""
        source = quote_identifier(then.stored)
        stored = arrow_type(then)
        if self.as_text:
            return source if pa.types.is_string(self.delivered(then)) else self._refused(source, self._says_retyped(then))
        match conversion(then.postgresql_type, stored, self.column, self.arrow):
            case "same":
                return self._own(source)
            case "cast":
                cast = f"TRY_CAST({source} AS {self.type_name})"
                return f"CASE WHEN {source} IS NULL THEN NULL WHEN {cast} IS NULL THEN {self._error()} ELSE {cast} END"
        return self._refused(source, self._says_retyped(then))

    def _own(self, source: str) -> str:
        if not self._special:
            return source
        if self.column.is_array:
            return f"list_transform({source}, lambda e: {self._one('e')})"
        return self._one(source)

    def _one(self, source: str) -> str:
        kind = _SPECIAL[self.column.base_type]
        if kind != "INTERVAL":
            return f"CAST({source} AS {kind})"
        # PostgreSQL writes a plus where a part before is negative; `infinity`, of PostgreSQL 17, is no interval of DuckDB's
        cast = f"TRY_CAST(replace({source}, '+', '') AS {kind})"
        return f"CASE WHEN {source} IS NOT NULL AND {cast} IS NULL THEN {self._error()} ELSE {cast} END"

    def _refused(self, source: str, says: str) -> str:
        return f"CASE WHEN {source} IS NULL THEN NULL::{self.type_name} ELSE {error(says)} END"

    def _error(self) -> str:
        return error(self.says_unfit)

    def _says_retyped(self, then: ManifestColumn) -> str:
        if then.postgresql_type == self.column.type_name and not self.as_text:
            return self.says_unfit
        has_text = not self.as_text and is_printable(arrow_type(then), then.postgresql_type)
        advice = "name the column in as_text to have the text of archived values as they were, or " if has_text else ""
        return (
            f"column {self.column.name} is {self.column.type_name}, and was {then.postgresql_type} when rows were archived:"
            f" what PostgreSQL has made of such values is not known here; {advice}leave it out"
        )

    @property
    def says_unfit(self) -> str:
        """What to say of a value that the type does not hold."""
        advice = (
            "ask without as_text, or leave the column out"
            if self.as_text
            else "name the column in as_text to have PostgreSQL's text of its values, or leave it out"
        )
        return f"column {self.column.name} has a value, live or archived, that {self.type_name} has not: {advice}"


def error(says: str) -> str:
    """SQL that ends the question with `value-without-form`, where it is evaluated."""
    return f"error({quote_literal(UNFIT + says)})"


def arrow_type(then: ManifestColumn) -> pa.DataType:
    """The type of an archive's column; raises `PermanentError` for one that this version does not know."""
    return wire_of(then.arrow_type).arrow


def type_name(kind: pa.DataType) -> str:
    """DuckDB's name of a type in which values travel."""
    if pa.types.is_list(kind):
        return f"{type_name(kind.value_type)}[]"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _NAMES[kind]
