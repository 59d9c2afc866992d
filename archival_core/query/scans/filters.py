"""A filter as Arrow applies it, exactly, and as PostgreSQL is asked, which may let more rows through.

DuckDB's order has NaN above every number, and equal to itself, as PostgreSQL's has. Arrow's comparisons with NaN are false, and
the statistics of Parquet leave NaN out, so each comparison of floating-point numbers says what becomes of NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from archival_core.model.chunks.chunk import Column, quote_identifier, quote_literal
from archival_core.query.scans.predicate import Comparison, Constant, Junction, Operator, Predicate, Presence, Value

_FLOATS: Final = {"pg_catalog.float4": "float4", "pg_catalog.float8": "float8"}
_INTEGERS: Final = frozenset({"pg_catalog.int2", "pg_catalog.int4", "pg_catalog.int8"})
_TEXTS: Final = frozenset({"pg_catalog.text", "pg_catalog.varchar", "pg_catalog.bpchar"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY, _LAST_DAY = date(1, 1, 1).toordinal(), date(9999, 12, 31).toordinal()
_EPOCH_DAY: Final = _EPOCH.toordinal()
_DAY: Final = 86_400_000_000


def to_arrow(predicate: Predicate, schema: pa.Schema) -> pc.Expression:
    """The filter over columns of `schema`, whose types decide what a value means."""
    match predicate:
        case Constant(holds):
            return pc.scalar(holds)
        case Presence(column, is_null):
            return pc.field(column).is_null() if is_null else pc.field(column).is_valid()
        case Junction("and", terms):
            return reduce(lambda left, right: left & right, (to_arrow(term, schema) for term in terms))
        case Junction(_, terms):
            return reduce(lambda left, right: left | right, (to_arrow(term, schema) for term in terms))
        case Comparison(column, operator, value):
            kind = schema.field(column).type
            if pa.types.is_floating(kind):
                assert isinstance(value, float)
                return _floating(pc.field(column), operator, value, kind)
            return _compared(pc.field(column), operator, _scalar(value, kind))


def _floating(field: pc.Expression, operator: Operator, value: float, kind: pa.DataType) -> pc.Expression:
    is_nan = field.is_nan()
    if value != value:
        match operator:
            case "=" | ">=":
                return is_nan
            case "<>" | "<":
                return ~is_nan
            case "<=":
                return field.is_valid()
            case ">":
                return pc.scalar(False)
    compared = _compared(field, operator, pa.scalar(value, kind))
    return compared | is_nan if operator in (">", ">=", "<>") else compared


def _compared(field: pc.Expression, operator: Operator, value: pa.Scalar) -> pc.Expression:
    match operator:
        case "=":
            return field == value
        case "<>":
            return field != value
        case "<":
            return field < value
        case "<=":
            return field <= value
        case ">":
            return field > value
        case ">=":
            return field >= value


def _scalar(value: Value, kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_decimal(kind):
        assert isinstance(value, int)
        return pa.scalar(_decimal(value, kind.scale), kind)
    if pa.types.is_date32(kind):
        return pa.scalar(value, pa.int32()).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.scalar(value, pa.int64()).cast(kind)
    return pa.scalar(value, kind)


def to_sql(predicate: Predicate | None, columns: Mapping[str, Column], schema: pa.Schema) -> str | None:
    """SQL that is true for every row that the filter lets through, and `None` where there is none to say.

    `columns` are those of the table, whose values arrive in the types of `schema`. Values are written into the SQL, quoted.
    """
    match predicate:
        case Junction("and", terms):
            known = [sql for term in terms if (sql := to_sql(term, columns, schema)) is not None]
            return "(" + " AND ".join(known) + ")" if known else None
        case Junction(_, terms):
            asked = [to_sql(term, columns, schema) for term in terms]
            return "(" + " OR ".join(sql for sql in asked if sql) + ")" if asked and all(asked) else None
        case Presence(column, is_null):
            return f"{quote_identifier(column)} IS {'' if is_null else 'NOT '}NULL"
        case Comparison(name, operator, value):
            literal = _literal_of(columns.get(name), operator, value, schema.field(name).type)
            return None if literal is None else f"{quote_identifier(name)} {operator} {literal}"
    return None


def is_exact(predicate: Predicate | None, columns: Mapping[str, Column], schema: pa.Schema) -> bool:
    """Whether the SQL of `to_sql` lets no other row through than the filter does.

    Texts are equal by a collation, and `char(n)` without its spaces.
    """
    match predicate:
        case None | Presence():
            return True
        case Junction(_, terms):
            return all(is_exact(term, columns, schema) for term in terms)
        case Comparison(name, operator, value) if not isinstance(value, str):
            return _literal_of(columns.get(name), operator, value, schema.field(name).type) is not None
    return False


def _literal_of(column: Column | None, operator: Operator, value: Value, kind: pa.DataType) -> str | None:
    return None if column is None or column.is_array else _literal(column.base_type, operator, value, kind)


def _literal(base_type: str, operator: Operator, value: Value, kind: pa.DataType) -> str | None:
    """A value that PostgreSQL compares with the type as DuckDB does."""
    match value:
        case bool():
            return str(value).lower() if base_type == "pg_catalog.bool" and operator in ("=", "<>") else None
        case int() if base_type in _INTEGERS:
            return f"'{value}'::pg_catalog.int8"
        case int() if base_type == "pg_catalog.numeric" and pa.types.is_decimal(kind):
            return f"'{_decimal(value, kind.scale)}'::pg_catalog.numeric"
        case int() if base_type == "pg_catalog.date" and _FIRST_DAY <= value + _EPOCH_DAY <= _LAST_DAY:
            return f"'{date.fromordinal(value + _EPOCH_DAY).isoformat()}'::pg_catalog.date"
        case int() if base_type in ("pg_catalog.timestamp", "pg_catalog.timestamptz"):
            if not _FIRST_DAY < value // _DAY + _EPOCH_DAY < _LAST_DAY:
                return None
            moment = (_EPOCH + timedelta(microseconds=value)).replace(tzinfo=None).isoformat(" ")
            return f"'{moment}{'+00' if base_type.endswith('tz') else ''}'::{base_type}"
        case float() if base_type in _FLOATS:
            # `repr` has digits enough for either width
            return f"'{value!r}'::pg_catalog.{_FLOATS[base_type]}"
        case str() if base_type in _TEXTS and operator == "=" and "\0" not in value:
            return quote_literal(value)
    return None


def _decimal(digits: int, scale: int) -> Decimal:
    """Without arithmetic, which would round to the precision of the context."""
    return Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -scale))
