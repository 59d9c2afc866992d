"""Seeded runs, one of every second kind of fault; `make test-long` has some of every kind, `make faults` makes a thousand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.runner import Runner
from tests.faults.scenarios import FAMILIES

# servers are restarted and workers waited for, on machines that have other things to do
pytestmark = pytest.mark.timeout(600)

#: Runs of `make test`, which take seconds; the number chooses the scenario.
_SHORT = {"crash": 2, "acknowledgements": 5, "conflict": 0, "network": 0, "lake": 0, "database": 0, "history": 1}
#: Runs of `make test-long`; of a kind that is not named here, the first.
_LONG = {"crash": (0, 1, 5), "acknowledgements": (14,), "database": (2,), "network": (9,), "settings": (6,)}
_LONG |= {"lake-writer": (0, 12), "reshape": (0, 13), "locks": (6,), "pooler": (1,), "failover": (6,), "history": (7,)}
# an outage takes a minute: `make faults` has all of them, tests/acceptance/test_outages.py shorter ones
_LONG |= {"outage": ()}
_RUNS = [
    *_SHORT.items(),
    *(
        pytest.param(name, number, marks=pytest.mark.slow)
        for name in FAMILIES
        for number in _LONG.get(name, () if name in _SHORT else (0,))
    ),
]


@pytest.fixture(scope="module")
def met() -> Iterator[list[bool]]:
    """Whether each run has met its fault: most runs have to."""
    found: list[bool] = []
    yield found
    # a step that is not met in the order of the trace is left out by chance, now and then
    assert sum(found) >= 0.75 * len(found)


@pytest.mark.parametrize(("family", "number"), _RUNS)
def test_nothing_is_lost_or_doubled(runner: Runner, met: list[bool], family: str, number: int) -> None:
    result = runner.run(family, number, seed=1)
    if result.waits_for and not result.good:
        pytest.xfail(result.waits_for)
    assert result.good, result.report
    assert (result.lost, result.doubled) == (0, 0)
    assert result.rows > 0
    met.append(result.struck)
