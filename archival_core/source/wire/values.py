"""SQL of values: in the form in which they travel, and as what tells them from all others.

No operator and no cast that users can define has a part in either. PostgreSQL looks for a cast between array types too, which
the owner of their elements' type can define, so the elements are turned one by one.
"""

from __future__ import annotations

from archival_core.model.chunks.chunk import Column
from archival_core.source.wire.types import Form, form_of


def in_form(form: Form, column: Column, value: str, *, is_array: bool) -> str:
    """SQL of `value`, which is of the column's type, as `form` has it; of an array, as `form` has its elements."""
    # the driver does not know a domain, nor the arrays of one
    one = f"{{0}}::{column.base_type}" if form.is_stored else form.sql
    if not is_array:
        return one.format(value)
    if form.is_stored and not column.has_domain_elements:
        return f"{value}::{column.base_type}[]"
    return each(value, one.format("e"))


def each(array: str, one: str) -> str:
    """SQL of an array of `one`, which is SQL of `e`, for each element `e` of `array`, which has one dimension."""
    elements = f"ARRAY(SELECT {one} FROM (SELECT pg_catalog.unnest({array}) AS e) AS elements)"
    return f"CASE WHEN {array} IS DISTINCT FROM NULL THEN {elements} END"


def identity(column: Column, value: str) -> list[str]:
    """SQL of values whose texts, as output functions print them, are all equal exactly if `value` is, which is of the column's
    type; a NULL is equal to a NULL."""
    form = form_of(column)
    # where an array's elements are looked at one by one, its dimensions are in its own text
    more = [] if form.is_told_by_output else [in_form(form, column, value, is_array=column.is_array)]
    return [value, *more]
