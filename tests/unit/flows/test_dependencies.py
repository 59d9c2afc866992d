"""What is known of a dependency that is away, whatever its outage takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archival_core.errors import AwayError
from archival_core.flows.jobs.dependencies import Dependencies


async def test_an_outage_of_days_is_waited_for_and_then_over() -> None:
    is_away = True

    async def probe() -> None:
        if is_away:
            raise AwayError("away", code="source-unreachable", dependency="source")

    dependencies = Dependencies({"source": probe}, timedelta(milliseconds=1))
    for _ in range(2000):
        with pytest.raises(AwayError):
            await dependencies.look_at(["source"])
    with pytest.raises(AwayError):
        await dependencies.wait_for(["source"])
    is_away = False
    await dependencies.wait_for(["source"])
