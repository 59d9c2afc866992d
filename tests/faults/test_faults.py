"""A quick set of seeded runs, some of every fault; `make faults` makes a thousand."""

from __future__ import annotations

import pytest

from tests.faults.runner import Runner
from tests.faults.scenarios import FAMILIES

# servers are restarted and workers waited for, on machines that have other things to do
pytestmark = pytest.mark.timeout(600)

#: Runs that show much in little time; the number chooses the scenario.
_QUICK = {"crash": (0, 1, 2, 5), "acknowledgements": (5, 14), "database": (0, 2), "network": (0, 9)}


@pytest.mark.parametrize(("family", "number"), [(name, n) for name in FAMILIES for n in _QUICK.get(name, (0,))])
def test_nothing_is_lost_or_doubled(runner: Runner, family: str, number: int) -> None:
    result = runner.run(family, number, seed=1)
    assert result.good, result.report
    assert (result.lost, result.doubled) == (0, 0)
    assert result.rows > 0
    assert result.struck, f"{result.scenario} did not meet its fault"
