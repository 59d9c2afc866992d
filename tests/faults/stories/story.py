"""A story: prepare data → ask → work → settled."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import psycopg

from tests.faults.truth import DDL, MONTHS, Truth, invented
from tests.faults.world import World

#: a few pages each, so that a chunk has several parts
_ROWS = {"m1": 240, "m2": 60, "m3": 20}


class Story(ABC):
    """One kind of work. Its data are made once a session, as the template of each run's database."""

    name: str
    #: it begins where this other story ends
    after: str = ""
    #: settings of the service
    settings: Mapping[str, str] = {}
    #: functions that the host's clock calls each round
    timers: Sequence[str] = ("drain_events",)
    #: functions whose steps are interrupted
    functions: Sequence[str]
    #: whether chunks leave the database
    removes: bool = False
    #: chunks that are asked for
    chunks: Sequence[str] = ("m1", "m2")

    def prepare(self, connection: psycopg.Connection) -> Truth:
        """Fill an empty database."""
        rng = random.Random(20260101)
        truth = Truth()
        connection.execute(DDL.encode())
        numbers = iter(range(10**6))
        truth.insert(connection, [invented(rng, chunk, next(numbers)) for chunk in MONTHS for _ in range(_ROWS[chunk])])
        return truth

    @abstractmethod
    def ask(self, world: World) -> None:
        """Send the request."""

    @abstractmethod
    def unsettled(self, world: World) -> list[str]:
        """What is not yet as it was asked; empty when all is well."""
