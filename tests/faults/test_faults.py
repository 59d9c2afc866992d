"""A quick set of seeded runs, some of every fault; `make faults` makes a thousand."""

from __future__ import annotations

import pytest

from tests.faults.runner import Runner
from tests.faults.scenarios import FAMILIES

# servers are restarted and workers waited for, on machines that have other things to do
pytestmark = pytest.mark.timeout(600)

#: Runs that show much in little time; the number chooses the scenario.
_QUICK = {"crash": (0, 1, 2, 5), "acknowledgements": (5, 14), "database": (0, 2), "network": (0, 9)}
_QUICK |= {"settings": (6,), "lake-writer": (0, 12), "reshape": (0, 13)}
_QUICK |= {"locks": (6,), "silence": (0,), "pooler": (1,), "failover": (6,), "history": (1, 7)}
# an outage takes a minute: `make faults` has all of them, tests/acceptance/test_outages.py shorter ones
_QUICK |= {"outage": ()}
_RUNS = [(name, number) for name in FAMILIES for number in _QUICK.get(name, (0,))]


@pytest.fixture(scope="module")
def met() -> list[bool]:
    """Whether each run has met its fault."""
    return []


@pytest.mark.parametrize(("family", "number"), _RUNS)
def test_nothing_is_lost_or_doubled(runner: Runner, met: list[bool], family: str, number: int) -> None:
    result = runner.run(family, number, seed=1)
    if result.waits_for and not result.good:
        pytest.xfail(result.waits_for)
    assert result.good, result.report
    assert (result.lost, result.doubled) == (0, 0)
    assert result.rows > 0
    met.append(result.struck)


def test_the_faults_were_met(met: list[bool]) -> None:
    # a step that is not met in the order of the trace is left out by chance, now and then
    assert sum(met) >= 0.75 * len(met)
