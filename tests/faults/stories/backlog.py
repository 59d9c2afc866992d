"""Many small chunks wait: some as jobs with a message each, some as events."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import psycopg

from tests.faults.stories.archive import ArchiveStory
from tests.faults.truth import DDL, SCHEMA, TABLE, Truth, invented_between
from tests.faults.world import World

_DAYS = {f"d{n}": (datetime(2026, 1, 1 + 5 * n, tzinfo=UTC), datetime(2026, 1, 6 + 5 * n, tzinfo=UTC)) for n in range(6)}
_ROWS = 10
#: how many of them are jobs before anything happens
_DRAINED = 3


class BacklogStory(ArchiveStory):
    """Six chunks of five days each."""

    name = "backlog"
    chunks = tuple(_DAYS)

    def prepare(self, connection: psycopg.Connection) -> Truth:
        """January has a partition for every five days."""
        rng = random.Random(20260102)
        truth = Truth(ranges={name: [days] for name, days in _DAYS.items()})
        connection.execute(DDL.encode())
        connection.execute(f"drop table {SCHEMA}.m1".encode())
        for name, (start, end) in _DAYS.items():
            statement = f"create table {SCHEMA}.{name} partition of {SCHEMA}.{TABLE} for values from ('{start}') to ('{end}')"
            connection.execute(statement.encode())
        numbers = iter(range(10**6))
        rows = [invented_between(rng, *days, next(numbers)) for days in _DAYS.values() for _ in range(_ROWS)]
        truth.insert(connection, rows)
        return truth

    def ask(self, world: World) -> None:
        """The events of the first chunks; see `ask_more`."""
        self._publish(world, *self.chunks[:_DRAINED])

    def ask_more(self, world: World) -> None:
        """The events of the others."""
        self._publish(world, *self.chunks[_DRAINED:])

    def _publish(self, world: World, *chunks: str) -> None:
        for chunk in chunks:
            world.publish(hypertable=f"{SCHEMA}.{TABLE}", chunk=f"{SCHEMA}.{chunk}")
