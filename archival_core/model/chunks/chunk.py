"""A chunk: one time slice of a hypertable, or one partition of a natively partitioned table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from archival_core.errors import PermanentError

#: One part of a possibly quoted PostgreSQL name: `conditions` or `"my table"` (a doubled quote stands for one).
_NAME_PART = re.compile(r'"((?:[^"]|"")+)"|([^".\s][^".]*)')


def quote_identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """`text` as SQL, in a session whose strings conform to the standard."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True, order=True)
class Relation:
    """A table by schema and name, both exactly as the catalog has them."""

    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(
            part if re.fullmatch(r"[^\".\s]+", part) else quote_identifier(part) for part in (self.schema, self.name)
        )

    @property
    def sql(self) -> str:
        """The relation as SQL, quoted: safe to put into a statement."""
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"

    @classmethod
    def parse(cls, text: str) -> Relation:
        """Read `schema.name`, where either may be in double quotes; without a schema it is `public`.

        Unlike SQL, unquoted upper case is kept: `public.Readings` is the table that the catalog calls `Readings`.
        Raises `PermanentError` (`invalid-name`) for anything else.
        """
        parts: list[str] = []
        position = 0
        while match := _NAME_PART.match(text, position):
            parts.append(match[1].replace('""', '"') if match[1] is not None else match[2])
            position = match.end()
            if text[position : position + 1] != "." or position + 1 == len(text):
                break
            position += 1
        if position != len(text) or not 1 <= len(parts) <= 2 or any(len(part.encode()) > 63 for part in parts):
            raise PermanentError(
                f"{text[:140]!r} is not a table name; write schema.name, in double quotes where a part holds dots or spaces",
                code="invalid-name",
            )
        return cls(*parts) if len(parts) == 2 else cls("public", parts[0])


@dataclass(frozen=True, slots=True)
class ChunkRange:
    """The half-open range `[start, end)` of the time dimension.

    Bounds are text, since timestamps reach beyond `datetime`: RFC 3339 in UTC for time columns (`-infinity` and `infinity`
    included), decimal digits for integer time. `None` is an open end.
    """

    start: str | None
    end: str | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk as the catalog describes it now."""

    hypertable: Relation
    relation: Relation
    #: which catalog it is in, and so how it is read and removed
    kind: Literal["timescaledb", "native"]
    time_column: str
    #: PostgreSQL's name of the time column's type: `timestamp with time zone`, `bigint`, `date`, …
    time_type: str
    range: ChunkRange
    is_compressed: bool = False
    #: of the table in the catalog: tells it from a later one of the same name
    oid: int = 0


@dataclass(frozen=True, slots=True)
class Leaf:
    """A table in which rows of a chunk lie: a partition without partitions, a chunk's own table, or its compressed one."""

    relation: Relation
    oid: int
    #: changes whenever the rows are written anew: VACUUM FULL, CLUSTER, TRUNCATE, compression; 0 for a foreign table
    relfilenode: int
    #: `p` for a permanent table, `u` for an UNLOGGED, `t` for a temporary one
    persistence: Literal["p", "u", "t"]
    is_foreign: bool
    #: low 32 bits of the number of the transaction that made the table; with the oid they tell it from every later table
    #: (`source.state.tables`)
    created: int


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a hypertable, in the hypertable's order (a chunk's own order may differ)."""

    name: str
    #: as `format_type` prints it, with its modifiers: `numeric(10,2)`, `character varying(20)`, `integer[]`
    type_name: str
    not_null: bool
    #: schema-qualified type without modifiers, domains resolved, `pg_catalog.int4`; of an array its elements' type
    base_type: str
    is_array: bool = False
    #: modifiers of the type (`atttypmod`), -1 when there are none
    modifier: int = -1
    #: the extension that the type belongs to
    extension: str | None = None
    #: how PostgreSQL fills it by itself: `stored`, `virtual`, `identity always`, `identity by default`
    generated: str | None = None
    #: `attnum`: tells a column from a later one of the same name
    number: int = 0
    #: function of `pg_catalog` that prints a value, of an array one of its elements; `None` for one of another schema, and for
    #: values of a domain, which not every function takes
    output: str | None = None
    #: of an array, its elements' type as `format_type` prints it
    element_type: str | None = None
    #: of an array, whether its elements are of a domain
    has_domain_elements: bool = False
    #: whether a function was defined as the cast from text to the type, which PostgreSQL takes in place of the input function
    has_cast_from_text: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """Which database of which server it is."""

    #: empty where the server does not tell
    system_identifier: str
    database: str

    @property
    def key(self) -> str:
        """Server and database in one text, as the ledger has them in `job.read_from`."""
        return f"{self.system_identifier}/{self.database}"


@dataclass(frozen=True, slots=True)
class ServerIdentity(DatabaseIdentity):
    """What tells one source database from a fork or a restored copy of it."""

    server_version: str
    timescaledb_version: str | None
    #: of its write-ahead log: a server that was restored to an earlier time, or promoted, begins another
    timeline: str | None = None
