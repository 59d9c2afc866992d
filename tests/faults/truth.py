"""What the harness knows to be true: every row that it ever wrote, and every state that the table has ever had.

Its own copy, in its own memory, written through plain psycopg.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

Row = tuple[Any, ...]
Range = tuple[datetime, datetime]

SCHEMA = "weather"
TABLE = "readings"
COLUMNS = ("id", "time", "value", "amount", "note", "tags", "raw")
#: name, beginning and end of each chunk
MONTHS = {
    f"m{month}": (datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month + 1, 1, tzinfo=UTC)) for month in range(1, 4)
}
DDL = f"""
create schema {SCHEMA};
create table {SCHEMA}.{TABLE} (id bigint not null, time timestamptz not null, value double precision, amount numeric(12, 3),
    note text, tags text[], raw bytea) partition by range (time);
""" + "".join(
    f"create table {SCHEMA}.{name} partition of {SCHEMA}.{TABLE} for values from ('{start}') to ('{end}');\n"
    for name, (start, end) in MONTHS.items()
)
_INSERT = "insert into {} (" + ", ".join(COLUMNS) + ") values (" + ", ".join(["%s"] * len(COLUMNS)) + ")"


def invented(rng: random.Random, chunk: str, identity: int, note_bytes: int = 90) -> Row:
    """A row of that chunk; some values are NULL, empty or awkward."""
    return invented_between(rng, *MONTHS[chunk], identity, note_bytes)


def invented_between(rng: random.Random, start: datetime, end: datetime, identity: int, note_bytes: int = 90) -> Row:
    """A row of that time."""
    moment = start + timedelta(microseconds=rng.randrange(int((end - start).total_seconds()) * 1_000_000))
    note = rng.choice([None, "", 'a "quoted"\nline', "äöü €", rng.randbytes(note_bytes // 2).hex(), "x" * note_bytes])
    tags = rng.choice([None, [], ["a", None, ""], [str(identity)]])
    raw = rng.choice([None, b"", b"\x00\xff", rng.randbytes(note_bytes)])
    amount = rng.choice([None, Decimal(rng.randrange(-(10**9), 10**9)).scaleb(-3)])
    return identity, moment, rng.choice([None, rng.uniform(-1e6, 1e6), 0.0]), amount, note, tags, raw


def fill(connection: psycopg.Connection, table: str, rows: Sequence[Row]) -> None:
    """Rows into a table that nobody knows of yet; see `Truth.insert` for those that count."""
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT.format(table).encode(), rows)


def chunk_of(row: Row) -> str:
    """The chunk that holds the row."""
    return next(name for name, (start, end) in MONTHS.items() if start <= row[1] < end)


@dataclass(slots=True)
class Truth:
    """The states of the table, oldest first; each is what one commit left, rows by their id."""

    states: list[dict[int, Row]] = field(default_factory=lambda: [{}])
    #: the ranges that a partition's name has ever stood for: people split, merge and rename
    ranges: dict[str, list[Range]] = field(default_factory=lambda: {name: [range_] for name, range_ in MONTHS.items()})

    @property
    def now(self) -> dict[int, Row]:
        """What the table holds, if nothing was lost."""
        return self.states[-1]

    def copy(self) -> Truth:
        """To go on from here."""
        return Truth(list(self.states), {name: list(ranges) for name, ranges in self.ranges.items()})

    def states_of(self, chunk: str) -> list[dict[int, Row]]:
        """Every state that this chunk has had, under whichever of its ranges."""
        return [
            {key: row for key, row in state.items() if start <= row[1] < end}
            for start, end in self.ranges.get(chunk, [])
            for state in self.states
        ]

    def rows_of(self, chunk: str) -> list[Row]:
        """What the month of that name holds now."""
        return [row for row in self.now.values() if chunk_of(row) == chunk]

    def replaced(self, gone: Iterable[Row], rows: Iterable[Row] = ()) -> None:
        """One commit of somebody else has taken the rows of `gone` away and brought `rows`."""
        left = {key: row for key, row in self.now.items() if key not in {row[0] for row in gone}}
        self.states.append(left | {row[0]: row for row in rows})

    def insert(self, connection: psycopg.Connection, rows: Sequence[Row]) -> None:
        """Committed in the table, then known here."""
        with connection.transaction():
            fill(connection, f"{SCHEMA}.{TABLE}", rows)
        self.states.append({**self.now, **{row[0]: row for row in rows}})

    def change(self, connection: psycopg.Connection, identity: int, note: str) -> None:
        """Another note for a row."""
        done = connection.execute(f"update {SCHEMA}.{TABLE} set note = %s where id = %s".encode(), (note, identity))
        if done.rowcount == 0:
            return  # removed already
        place = COLUMNS.index("note")
        row = self.now[identity]
        self.states.append({**self.now, identity: (*row[:place], note, *row[place + 1 :])})

    def delete(self, connection: psycopg.Connection, identity: int) -> None:
        """One row less."""
        done = connection.execute(f"delete from {SCHEMA}.{TABLE} where id = %s".encode(), (identity,))
        if done.rowcount == 0:
            return
        self.states.append({key: row for key, row in self.now.items() if key != identity})
