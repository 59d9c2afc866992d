"""One set of servers for all runs of the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.runner import Runner, opened


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """With servers of its own."""
    with opened() as running:
        yield running
