"""The ledger's part in duties that go round: how far each has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from archival_core.ledger.pool import LedgerPool


@dataclass(frozen=True, slots=True)
class Round:
    """A round that is under way, or begins."""

    #: what the last run has left; `None` at the beginning
    place: dict[str, Any] | None
    began_at: datetime


class Rounds:
    """Table `archival.round`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def current(self, duty: str) -> Round:
        """Where `duty` goes on; a round begins where the last one has come to its end."""
        row = await self._pool.one("round_place", duty=duty)
        assert row is not None, "the statement always has a row"
        return Round(row["place"], row["began_at"])

    async def place(self, duty: str) -> dict[str, Any] | None:
        """What the last run of `duty` has left; `None` if nothing is left, or it has never run."""
        row = await self._pool.one("round_left", duty=duty)
        return row["place"] if row else None

    async def go_on(self, duty: str, place: dict[str, Any] | None) -> None:
        """The next run goes on at `place`; `None` ends the round."""
        await self._pool.one("round_go_on", duty=duty, place=None if place is None else Jsonb(place))
