"""Filters and questions in SQL, for the engines that speak it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.readers.filters import Filter, Kind

#: how most engines write a literal of each kind; `{0}` is its text
_LITERALS: Mapping[Kind, str] = {
    "integer": "{0}",
    "float": "cast('{0}' as double)",
    "decimal": "cast('{0}' as decimal(12,4))",
    "text": "'{0}'",
    "boolean": "{0}",
    "date": "cast('{0}' as date)",
    "local": "cast('{0}' as timestamp)",
    "moment": "timestamptz '{0}'",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between engines."""

    quote: str = '"'
    literals: Mapping[Kind, str] = field(default_factory=dict)
    #: of the literal's text, before it goes into the form above
    spelled: Callable[[str], str] = str
    #: what is asked for in place of some columns; `{0}` is the quoted column
    forms: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        """A column's name, quoted."""
        return f"{self.quote}{name}{self.quote}"

    def select(self, columns: Sequence[str], table: str) -> str:
        """The columns of every row."""
        asked = (self.forms.get(name, "{0}").format(self.column(name)) for name in columns)
        return f"select {', '.join(asked)} from {table}"

    def ids(self, filter: Filter, table: str) -> str:
        """The `id` of each row that answers the filter."""
        return f"select {self.column('id')} from {table} where {self.condition(filter)}"

    def condition(self, filter: Filter) -> str:
        """The filter, as what follows `where`."""
        column = self.column(filter.column)
        if filter.kind == "none":
            return f"{column} {filter.operator}"
        literal = self.literal(filter.kind, filter.literal)
        if filter.operator == "not <":
            return f"not ({column} < {literal})"
        said = f"{column} {filter.operator} {literal}"
        return said if filter.upper is None else f"{said} and {column} < {self.literal(filter.kind, filter.upper)}"

    def literal(self, kind: Kind, text: str) -> str:
        """A literal."""
        return self.literals.get(kind, _LITERALS[kind]).format(self.spelled(text))
