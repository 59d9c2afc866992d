"""Timer triggers: NCRONTAB in UTC, on the host that has the timer's lease, one run at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

from croniter import croniter

from dev.functions_host import worker
from dev.functions_host.errors import HostError
from dev.functions_host.leases import TimerLease
from dev.functions_host.life import Life
from dev.functions_host.worker import Function

#: of an interval; the real host keeps no account of shorter ones
_MONITORED_SECONDS = 60


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


async def run(function: Function, timeout: float | None, lease: TimerLease, life: Life) -> None:
    """Fire until the host ends, whenever this host has the lease."""
    stopping = life.stopping
    try:
        while not stopping.is_set():
            if not lease.take():
                await _wait(stopping, lease.seconds)
                continue
            lost = asyncio.Event()
            renewal = asyncio.create_task(_renew(lease, lost))
            try:
                await _fire_while_held(function, timeout, lease, life, lost)
            finally:
                renewal.cancel()
    finally:
        lease.release()


async def _renew(lease: TimerLease, lost: asyncio.Event) -> None:
    while not lost.is_set():
        await asyncio.sleep(lease.seconds / 2)
        if not lease.take():
            lost.set()


async def _fire_while_held(
    function: Function, timeout: float | None, lease: TimerLease, life: Life, lost: asyncio.Event
) -> None:
    """Tick by tick. A run that is longer than its interval is followed by one run at once, however many ticks it has missed."""
    schedule = str(function.trigger["schedule"])
    now = datetime.now(UTC)
    tick, past_due = next_tick(schedule, now), False
    if _is_monitored(function):
        noted = lease.next_tick
        if noted is not None and noted <= now:
            tick, past_due = now, True
        elif noted is None:
            lease.note(now, tick)
    if function.trigger.get("runOnStartup"):
        tick = now
    while not life.stopping.is_set() and not lost.is_set():
        await _wait(life.stopping, (tick - datetime.now(UTC)).total_seconds())
        if life.stopping.is_set():
            return
        # the lease is not looked at: a host that was paused fires the tick it had waited for, whoever has the timer by then
        await _fire(function, timeout, tick, past_due, life)
        now, past_due = datetime.now(UTC), False
        missed = next_tick(schedule, tick) <= now
        tick = now if missed else next_tick(schedule, now)
        if _is_monitored(function):
            lease.note(now, tick)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()


def _is_monitored(function: Function) -> bool:
    """Whether ticks that no host was there for are made up for: never with schedules under a minute."""
    first = next_tick(str(function.trigger["schedule"]), datetime.now(UTC))
    interval = (next_tick(str(function.trigger["schedule"]), first) - first).total_seconds()
    return bool(function.trigger.get("useMonitor", True)) and interval >= _MONITORED_SECONDS


async def _fire(function: Function, timeout: float | None, tick: datetime, past_due: bool, life: Life) -> None:
    following = next_tick(str(function.trigger["schedule"]), tick)
    status = {"Last": tick.isoformat(), "Next": following.isoformat(), "LastUpdated": tick.isoformat()}
    timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
    outcome = await worker.invoke(function, worker.document(timer), {}, "Timer fired", timeout)
    if outcome.timed_out:
        life.end(f"{function.name} ran longer than functionTimeout")
