"""The searches of the model, as tables: what may happen, which guard is off, and whether a sentence must break."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final


@dataclass(frozen=True, slots=True)
class Search:
    """One run of spin over the model."""

    label: str
    #: with all guards nothing may break, with any one of them off something must
    holds: bool
    #: switches of the model that are not as the model has them by default
    definitions: dict[str, int]
    #: too large to be searched whole within the bounds of `make proof`: the numbers say how much was
    bounded: bool = False
    #: breadth first, which finds the shortest story; depth first needs fewer states to find one that is long
    shortest: bool = True


#: What may happen, by its switch in the model.
EVENTS: Final = {
    "writing": "WRITES",
    "reshaping": "RESHAPES",
    "source put back": "SOURCEBACKS",
    "ledger put back": "LEDGERBACKS",
    "forging": "FORGERIES",
    "restoring": "RESTORES",
}
_ELSEWHERE: Final = {"INSIDE": 0}
#: Without the lake's table, whose committer multiplies the states.
_NO_TABLES: Final = {"TABLES": 0}
_ONE_JOB: Final = {"ASKS": 0}


def _pairs(leases: int, *, tables: bool, bounded: frozenset[str] = frozenset()) -> Iterator[Search]:
    """All pairs of what may happen, with the ledger inside and elsewhere; a ledger inside goes back with its source."""
    for inside in (1, 0):
        for one, other in combinations(EVENTS, 2):
            if inside and "ledger put back" in (one, other):
                continue
            label = f"{one}, {other}; {'inside' if inside else 'elsewhere'}; {leases} leases{'; tables' if tables else ''}"
            switches = {"INSIDE": inside, "TABLES": int(tables), "LEASES": leases, EVENTS[one]: 1, EVENTS[other]: 1}
            yield Search(label, holds=True, definitions=switches, bounded=label in bounded)


def _breaks(guard: str, definitions: dict[str, int], *, shortest: bool = True) -> Search:
    return Search(f"without {guard}", holds=False, definitions={guard: 0} | definitions, shortest=shortest)


#: Each guard once, where few things happen, so that its story is short.
WITHOUT: Final = (
    _breaks("HASH", _NO_TABLES | {"FORGERIES": 1, "LEASES": 1}),
    _breaks("MARK", _NO_TABLES | _ELSEWHERE | _ONE_JOB | {"SOURCEBACKS": 1, "WRITES": 2, "LEASES": 1}),
    _breaks("ALIVE", _NO_TABLES | _ELSEWHERE | _ONE_JOB | {"SOURCEBACKS": 1, "WRITES": 2, "LEASES": 1}),
    _breaks("SERVER", _NO_TABLES | _ONE_JOB | {"SOURCEBACKS": 1, "WRITES": 2, "LEASES": 1}),
    _breaks("COMPARE", _NO_TABLES | _ELSEWHERE | _ONE_JOB | {"SOURCEBACKS": 1, "WRITES": 1, "LEASES": 1}),
    _breaks("RENEW", _NO_TABLES | _ELSEWHERE | _ONE_JOB | {"SOURCEBACKS": 1, "WRITES": 2, "LEASES": 1}),
    _breaks("ADOPTED", _NO_TABLES | _ELSEWHERE | {"FORGERIES": 1, "LEDGERBACKS": 1, "LEASES": 2}),
    _breaks("ONECONN", {"SOURCEBACKS": 1, "LEASES": 3}, shortest=False),
    _breaks("LEAF", _NO_TABLES | {"RESHAPES": 1, "LEASES": 1}),
    _breaks("UNDERLOCK", _NO_TABLES | {"RESHAPES": 1, "LEASES": 1}),
    _breaks("FENCE", _NO_TABLES | {"WRITES": 1, "LEASES": 1}),
    _breaks("TRIAL", _NO_TABLES | {"FORGERIES": 1, "LEASES": 1}),
    _breaks("REPLACE", _NO_TABLES | _ELSEWHERE | _ONE_JOB | {"LEDGERBACKS": 1, "WRITES": 1, "LEASES": 2}),
    _breaks("GONE", _NO_TABLES | {"RESHAPES": 1, "LEASES": 1}),
    _breaks("DROPPED", _NO_TABLES | {"RESHAPES": 1, "LEASES": 2}),
    _breaks("MARKED", _NO_TABLES | {"RESTORES": 2, "RESTORERS": 2, "LEASES": 2}),
    _breaks("BACKMARK", _NO_TABLES | {"RESTORES": 1, "LEASES": 1}),
    _breaks("ATTEMPT", _NO_TABLES | _ONE_JOB | {"WRITES": 1, "LEASES": 3, "ATTEMPTS": 3, "REMOVERS": 0}),
    _breaks("TOKEN", _NO_TABLES | _ONE_JOB | {"SOURCEBACKS": 1, "WRITES": 1, "LEASES": 3, "REMOVERS": 0}),
    _breaks("RESUME", _NO_TABLES | _ONE_JOB | {"WRITES": 1, "LEASES": 2}),
    _breaks("ONCE", _NO_TABLES | {"LEASES": 2}),
    _breaks("ROWLOCK", _NO_TABLES | _ELSEWHERE | {"LEASES": 2}),
    _breaks("FOLLOWS", _NO_TABLES | _ELSEWHERE | {"LEDGERBACKS": 1, "LEASES": 1}),
    _breaks("OWNER", {"SOURCEBACKS": 1, "LEASES": 1}),
    _breaks("INTABLE", {"LEASES": 1}),
    _breaks("TABLEMARK", _ELSEWHERE | {"LEDGERBACKS": 1, "LEASES": 1}),
    _breaks("BYMARK", _NO_TABLES | _ELSEWHERE | {"LEASES": 1}),
)
#: Workers of every kind that meet a second one, and nothing else happens.
_CROWD: Final = {"REMOVERS": 2, "RESTORERS": 2, "RESTORES": 2, "LEASES": 2}
#: In continuous integration.
QUICK: Final = (
    *WITHOUT,
    *_pairs(2, tables=False),
    Search("two workers of each kind; inside", True, {"INSIDE": 1, **_CROWD}),
    Search("two workers of each kind; elsewhere", True, {"INSIDE": 0, **_CROWD}),
)
#: What is too large to be searched whole in a quarter of an hour.
_BOUNDED: Final[frozenset[str]] = frozenset()
FULL: Final = (*QUICK, *_pairs(2, tables=True), *_pairs(3, tables=False, bounded=_BOUNDED))
