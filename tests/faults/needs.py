"""What a scenario needs beyond the servers that all runs share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.stories import STORIES


@dataclass(frozen=True, slots=True)
class Needs:
    """The default is what most scenarios have."""

    #: a PostgreSQL server for the source alone, which may be put back, stopped for good or followed by a standby
    own_source: bool = False
    #: the ledger in a database of its own, on the shared server
    ledger_apart: bool = False
    #: the chance that the ledger is apart, where it may be either way
    ledger_may_be_apart: float = 0.0


def needing[F: Callable[..., None]](**needs: Any) -> Callable[[F], F]:
    """A scenario with such needs."""

    def mark(scenario: F) -> F:
        scenario.needs = Needs(**needs)  # type: ignore[attr-defined]
        return scenario

    return mark


def needs_of(scenario: Any) -> Needs:
    """Of a scenario, or of a part of one."""
    needs = getattr(getattr(scenario, "func", scenario), "needs", None)
    return needs if isinstance(needs, Needs) else Needs()


def told[F: Callable[..., None]](*names: str) -> Callable[[F], F]:
    """A scenario for the stories of these names."""

    def mark(scenario: F) -> F:
        assert set(names) <= STORIES.keys()
        scenario.stories = names  # type: ignore[attr-defined]
        return scenario

    return mark
