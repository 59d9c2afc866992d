"""Where a hypertable's rows are, with the names and texts that go into SQL and into Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from archival_cli.commands.lake.boundary import Boundary

#: PostgreSQL's own texts, which every reader of PostgreSQL has as text.
_TEXTS: Final = ("text", "character varying", "character")


def quoted(name: str) -> str:
    """`name` in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a value in SQL."""
    return "'" + text.replace("'", "''") + "'"


def python(text: str) -> str:
    """`text` as a value in Python: what JSON escapes, Python reads."""
    return json.dumps(text, ensure_ascii=False)


def remark(text: str) -> str:
    """`text` in a comment, which ends with its line."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


@dataclass(frozen=True, slots=True)
class ColumnPlace:
    """A column of the database, and the columns of the lake that have its archived values."""

    name: str
    type: str
    #: names and Arrow types, the newest first; none if it is younger than every archive
    stored: tuple[tuple[str, str], ...]
    #: whether it is text in the lake, and of another type in the database
    is_made_text: bool
    is_array: bool

    @classmethod
    def of(cls, told: dict[str, Any]) -> ColumnPlace:
        """As `GET /tables` tells it."""
        form, kind = told["form"], told["type"].removesuffix("[]")
        return cls(
            told["name"],
            told["type"],
            tuple((one["name"], one["form"]) for one in told["stored"]),
            _is_text(form) and kind.partition("(")[0] not in _TEXTS,
            form.startswith("list<"),
        )

    @property
    def live(self) -> str:
        """PostgreSQL's SQL of the value, with the lake's type where that is text."""
        name = quoted(self.name)
        if not self.is_made_text:
            return name
        # a cast gives an address `/32`, which the lake's text has not
        text = f"abbrev({name})" if self.type == "inet" else f"{name}::text{'[]' if self.is_array else ''}"
        return f"{text} AS {name}"

    def archived(self, value: Callable[[str], str], cast: str, join: str = "coalesce({})") -> str:
        """What gives the archived value: `value` of one column, or what `join` makes of several.

        Text and numbers do not mix, so `cast` makes text of all of them.
        """
        values = [value(name) for name, _ in self.stored]
        forms = {form for _, form in self.stored}
        if len(forms) > 1 and any(map(_is_text, forms)):
            values = [cast.format(one) for one in values]
        return values[0] if len(values) == 1 else join.format(", ".join(values))


@dataclass(frozen=True)
class Place:
    """Where a hypertable's table in the lake is, and what of it is gone from the database."""

    #: as the service writes it: parts with a dot, a space or a quote are in double quotes
    hypertable: str
    time_column: str
    #: `https://…/<filesystem>/tables/<schema>.<table>`
    url: str
    boundary: Boundary
    #: in the table's order
    columns: Sequence[ColumnPlace]
    #: columns of the lake that no column of the database goes on with
    dropped: Sequence[str] = ()

    @cached_property
    def _names(self) -> tuple[str, str]:
        """Schema and table, as the catalog has them."""
        parts, rest = [], self.hypertable
        while rest:
            if rest.startswith('"'):
                end = 1
                while rest[end : end + 2] == '""' or rest[end] != '"':
                    end += 2 if rest[end] == '"' else 1
                parts.append(rest[1:end].replace('""', '"'))
                rest = rest[end + 2 :]
            else:
                part, _, rest = rest.partition(".")
                parts.append(part)
        return parts[0], parts[1]

    @property
    def name(self) -> str:
        """For a view: the table's own name, without its schema."""
        return self._names[1]

    @property
    def table(self) -> str:
        """The hypertable in SQL."""
        return ".".join(map(quoted, self._names))

    @property
    def is_local(self) -> bool:
        """Whether the lake is an emulator on this machine, with the account in the path."""
        host = urlsplit(self.url).hostname or ""
        try:
            return host == "localhost" or bool(ip_address(host))
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """The table as Hadoop's readers write it; of a lake on this machine the folder, below the project's."""
        parts = urlsplit(self.url)
        filesystem, _, path = parts.path.strip("/").partition("/")
        if self.is_local:
            return f".local/lake/{unquote(path)}"
        return f"abfss://{filesystem}@{parts.netloc}/{path}"

    @property
    def time(self) -> ColumnPlace:
        """The time column."""
        return next(column for column in self.columns if column.name == self.time_column)

    @property
    def archived(self) -> list[ColumnPlace]:
        """Columns that archives have."""
        return [column for column in self.columns if column.stored]

    @property
    def remarks(self) -> list[str]:
        """What to know, whatever the engine is."""
        younger = ", ".join(column.name for column in self.columns if not column.stored)
        told = [
            "_archival_exact is left out: PostgreSQL's text of values that the lake's types do not hold (NaN in a numeric(p,s),"
            " which is NULL in archived rows, infinite dates, arrays of odd shape). `archival sql` gives them, or says so."
        ]
        if self.is_local:
            told.append(
                "The lake is an emulator on this machine, and other engines reach Azure's lake alone. `make run` keeps the"
                " files below .local/lake: the path is relative to the project's folder."
            )
        if younger:
            told.append(f"Younger than every archive, and NULL in archived rows: {younger}")
        if self.dropped:
            told.append(f"In the lake alone, since they were dropped in the database: {', '.join(self.dropped)}")
        return list(map(remark, told))


def _is_text(form: str) -> bool:
    return "string" in form
