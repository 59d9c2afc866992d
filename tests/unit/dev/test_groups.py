"""What tests share is made once: those of a group go to one worker."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("a group")
def test_a_group_is_heard_of(request: pytest.FixtureRequest) -> None:
    """pytest-xdist shares tests out by their names: a pytest that keeps names elsewhere leaves groups without effect."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("runs where workers share the tests")
    assert request.node.nodeid.endswith("@a group")
