"""Work that is called off by a watch beside the work."""

from __future__ import annotations

import asyncio

import pytest

from archival_core.errors import GaveWayError
from archival_core.flows.jobs.watches.calling_off import CallOff, watched


async def call_off_at_once(call_off: CallOff) -> None:
    call_off(GaveWayError("somebody waits"))


async def test_the_reason_is_raised_whatever_the_work_met() -> None:
    with pytest.raises(GaveWayError):
        async with watched(call_off_at_once):
            await asyncio.sleep(10)
    with pytest.raises(GaveWayError) as raised:
        async with watched(call_off_at_once):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                raise ValueError("the session ended") from None
    assert isinstance(raised.value.__cause__, ValueError)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_error_of_the_work_itself_stays() -> None:
    async def watch(call_off: CallOff) -> None:
        await asyncio.sleep(10)

    with pytest.raises(ValueError, match="of the work"):
        async with watched(watch):
            raise ValueError("of the work")


async def test_a_cancellation_by_somebody_else_goes_first() -> None:
    async def work() -> None:
        async def call_off_too(call_off: CallOff) -> None:
            call_off(GaveWayError("somebody waits"))
            task.cancel()

        async with watched(call_off_too):
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
