"""What archives save: bytes at prices, per month."""

from __future__ import annotations

from dataclasses import dataclass

_GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a GB that is kept for a month."""

    database: float
    lake: float
    currency: str

    def in_database(self, size: int) -> float:
        """What `size` bytes cost a month in the database."""
        return size / _GB * self.database

    def in_lake(self, size: int) -> float:
        """What `size` bytes cost a month in the lake."""
        return size / _GB * self.lake

    def saved(self, freed: int, kept: int) -> float:
        """A month of `freed` bytes that are not in the database any more, less a month of `kept` bytes in the lake."""
        return self.in_database(freed) - self.in_lake(kept)
