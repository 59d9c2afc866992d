"""Rows of which each is known from its writer, its number and its time: the table's columns, and the same in Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

COLUMNS: Final = """(time timestamptz not null, writer int not null, value bigint not null, small smallint, ratio real,
    share float8, price numeric(12,2), loose numeric, name text, flag boolean, day date, local timestamp, id uuid,
    raw bytea, spent interval, clock time, doc jsonb, tags text[], code varchar(10))"""
EVENTS: Final = "(time timestamptz not null, writer int not null, value bigint not null, kind text)"
_NAMES: Final = ("alder", "beech", "cedar", "dogwood", "élan", "Fir")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the first table."""

    time: datetime
    writer: int
    value: int

    @property
    def small(self) -> int:
        return self.value % 200 - 100

    @property
    def share(self) -> float:
        return math.nan if self.value % 50 == 0 else math.inf if self.value % 51 == 0 else self.value / 8

    @property
    def price(self) -> Decimal | None:
        return None if self.value % 13 == 0 else Decimal(self.value * 5) / 4

    @property
    def name(self) -> str | None:
        return None if self.value % 7 == 0 else _NAMES[self.value % len(_NAMES)]

    @property
    def flag(self) -> bool | None:
        return None if self.value % 11 == 0 else self.value % 3 == 0

    @property
    def day(self) -> date | None:
        """`None` stands for infinity."""
        return None if self.value % 60 == 0 else date(2020, 1, 1) + timedelta(days=self.value % 1000)

    @property
    def local(self) -> datetime:
        return datetime(2021, 1, 1) + timedelta(minutes=self.value)

    @property
    def id(self) -> UUID:
        return UUID(int=self.value % 97)

    @property
    def is_event(self) -> bool:
        """Whether the second table has a row of the same number."""
        return self.value % 4 == 0

    @property
    def sql(self) -> str:
        """The values, in the order of the columns."""
        v = self.value
        values: list[Any] = [
            f"'{self.time.astimezone(UTC).isoformat()}'",
            self.writer,
            v,
            self.small,
            v / 4,
            f"'{self.share}'" if not math.isfinite(self.share) else repr(self.share),
            "null" if self.price is None else f"{self.price:f}",
            "'NaN'" if v % 17 == 0 else f"{v}.{v % 10}",
            "null" if self.name is None else f"'{self.name}'",
            "null" if self.flag is None else str(self.flag).lower(),
            "'infinity'" if self.day is None else f"'{self.day}'",
            f"'{self.local}'",
            f"'{self.id}'",
            f"'\\x{v % 256:02x}'",
            f"interval '{v % 48} hours'",
            f"time '00:00' + interval '{v % 1440} minutes'",
            f"""'{{"v": {v % 5}}}'""",
            f"'{{{v % 3},b}}'",
            f"'c{v % 9}'",
        ]
        return f"({', '.join(map(str, values))})"
