"""What is asked of dependencies, and by whom it is heard."""

from __future__ import annotations

import asyncio

import pytest

from archival_core.flows.insight import readiness
from archival_core.flows.insight.readiness import Away, ReadinessCheck


async def test_who_asks_anew_makes_no_outage_for_those_who_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer comes, and before its caller goes on, the next one asks anew."""
    monkeypatch.setattr(readiness, "_GOOD_FOR", 0.0)
    asked = 0

    async def probe() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0 if asked == 1 else 0.05)

    check = ReadinessCheck({"ledger": probe}, ())

    async def after(turns: int) -> dict[str, Away | None]:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await check.states()

    assert await asyncio.gather(*map(after, range(12))) == [{"ledger": None}] * 12
    assert asked > 1
