"""What tests share is made once: those of a group go to one worker."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("a group")
def test_a_group_is_heard_of(request: pytest.FixtureRequest) -> None:
    """pytest-xdist shares tests out by their names: a pytest that keeps names elsewhere leaves groups without effect."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("runs where workers share the tests by group")
    assert request.node.nodeid.endswith("@a group")
