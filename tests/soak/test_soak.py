"""A few seconds of the soak; `make soak` takes ten minutes."""

from __future__ import annotations

import pytest

from tests.soak.run import run


@pytest.mark.timeout(400)
def test_two_hosts_that_are_killed_and_paused_lose_and_double_nothing() -> None:
    result = run(seconds=8, seed=1)
    assert result.good, "\n".join([*result.verdict.problems, result.logs])
    assert (result.verdict.lost, result.verdict.doubled, result.verdict.wrong) == (0, 0, 0)
    assert result.met["kill"] + result.met["pause"] > 0
    assert result.met["jobs: archive removed"] + result.met["jobs: archive archived"] > 0
    assert result.met["commit prepared"] > 0
