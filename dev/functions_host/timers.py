"""Timer triggers: NCRONTAB in UTC, one run at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

from croniter import croniter

from dev.functions_host import worker
from dev.functions_host.errors import HostError
from dev.functions_host.worker import Function


def next_tick(schedule: str, after: datetime) -> datetime:
    """When an NCRONTAB expression of five or six fields (seconds first) fires next; raises `HostError` for a wrong one."""
    with_seconds = len(schedule.split()) == 6
    try:
        return cast(datetime, croniter(schedule, after, second_at_beginning=with_seconds).get_next(datetime))
    except (ValueError, KeyError) as error:
        raise HostError(f"the schedule '{schedule}' was not recognized as a valid cron expression: {error}") from None


def check_schedule(function: Function) -> None:
    """Raises `HostError` for a schedule that the host would not take."""
    schedule = str(function.trigger["schedule"])
    if len(schedule.split()) not in (5, 6):
        raise HostError(
            f"function {function.name}: the schedule '{schedule}' was not recognized as a valid cron expression;"
            " write {second} {minute} {hour} {day} {month} {day-of-week}"
        )
    next_tick(schedule, datetime.now(UTC))


async def run(function: Function, timeout: float | None, stopping: asyncio.Event) -> None:
    """Fire until `stopping` is set. A tick that comes while the function runs is left out, as with the real host."""
    last = datetime.now(UTC)
    if function.trigger.get("runOnStartup"):
        await _fire(function, timeout, last, next_tick(function.trigger["schedule"], last))
    while not stopping.is_set():
        now = datetime.now(UTC)
        tick = next_tick(function.trigger["schedule"], now)
        with suppress(TimeoutError):
            async with asyncio.timeout((tick - now).total_seconds()):
                await stopping.wait()
                return
        await _fire(function, timeout, last, tick)
        last = tick


async def _fire(function: Function, timeout: float | None, last: datetime, tick: datetime) -> None:
    status = {"Last": last.isoformat(), "Next": tick.isoformat(), "LastUpdated": last.isoformat()}
    timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
    await worker.invoke(function, worker.document(timer), {}, "Timer fired", timeout)
