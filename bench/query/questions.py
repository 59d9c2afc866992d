"""What is asked, in the words of DuckDB and of PostgreSQL, and of which rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

#: A year of whole weeks, each of which is a chunk; the first half of them is archived.
FIRST_DAY: Final = "2025-01-01 00:00:00+00"
WEEKS: Final = 52
BOUNDARY: Final = "2025-07-02 00:00:00+00"
_DAYS: Final = MappingProxyType({"archived": "2025-04-09", "live": "2025-10-15"})


@dataclass(frozen=True, slots=True)
class Question:
    """One question, which is asked of the archived rows, of the live ones, or of all."""

    title: str
    #: with `{table}` and `{where}` in it
    duckdb: str
    postgresql: str
    parts: tuple[str, ...] = ("archived", "live", "all")
    is_day: bool = False

    def sql(self, table: str, part: str, *, for_postgresql: bool = False) -> str:
        """The statement."""
        return (self.postgresql if for_postgresql else self.duckdb).format(table=table, where=self._where(part))

    def _where(self, part: str) -> str:
        if self.is_day:
            day = f"timestamptz '{_DAYS[part]} 00:00:00+00'"
            return f"WHERE time >= {day} AND time < {day} + interval '1 day'"
        sign = {"archived": "<", "live": ">=", "all": ""}[part]
        return f"WHERE time {sign} timestamptz '{BOUNDARY}'" if sign else ""


_FULL: Final = """SELECT count(*) AS n, count(note) AS notes, avg(temperature) AS mean, max(humidity) AS most, max(time) AS last
FROM {table} {where}"""
_DAY: Final = """SELECT date_trunc('hour', time) AS hour, count(*) AS n, avg(temperature) AS mean
FROM {table} {where} GROUP BY 1 ORDER BY 1"""
_LAST: Final = """SELECT device, max(time) AS newest, arg_max(temperature, time) AS temperature
FROM {table} {where} GROUP BY device ORDER BY device"""
_LAST_IN_POSTGRESQL: Final = """SELECT DISTINCT ON (device) device, time AS newest, temperature
FROM {table} {where} ORDER BY device, time DESC"""

QUESTIONS: Final[Mapping[str, Question]] = MappingProxyType(
    {
        "full": Question("full scan", _FULL, _FULL),
        "day": Question("a day of a year", _DAY, _DAY, ("archived", "live"), is_day=True),
        "last": Question("last value per device", _LAST, _LAST_IN_POSTGRESQL),
    }
)
