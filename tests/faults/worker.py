"""One invocation of one function of the app, in a process of its own.

The process is forked from one that has imported everything and started nothing, so it costs milliseconds; it ends without any
tidying, as the platform's do.
"""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import logging
import multiprocessing as mp
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import azure.functions as func

from tests.faults.steps import Step

Action = Literal["kill", "pause", "cancel", "terminate"]

#: Longer than any run on a slow machine: it stands for the host's functionTimeout.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """What happens to the worker at a step."""

    step: Step
    action: Action = "kill"


@dataclass(frozen=True, slots=True)
class Order:
    """What the child is to do."""

    function: str
    environment: Mapping[str, str]
    log: Path
    #: of the queue message
    body: str | None = None
    interruption: Interruption | None = None
    #: how far the worker's clock is ahead of the database's
    clock_seconds: float = 0.0
    #: more memory than it has when it begins, in bytes
    memory: int | None = None
    #: how long the storage SDKs wait for an answer, in seconds; as the service says if it is `None`
    answer_seconds: float | None = None
    #: whether the worker waits for the next order afterwards, as the platform's do, with its connections open
    stays: bool = False
    #: name of a way to break the service, for tests of the harness itself
    sabotage: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an invocation. `steps` are empty if the worker was killed."""

    succeeded: bool
    error: str = ""
    killed: bool = False
    steps: tuple[Step, ...] = ()


@dataclass(slots=True)
class Worker:
    """A running child."""

    process: Any
    channel: Connection
    stays: bool = False

    def ask(self, order: Order) -> None:
        """The next order for one that stays."""
        self.channel.send(order)

    def wait_paused(self) -> bool:
        """Wait until it has stopped itself; false if it ended instead."""
        if self._receive() != "paused":
            return False
        # it has said so before it stops: who resumes it sooner than that resumes nothing
        self._wait_stopped()
        return True

    def pause(self) -> None:
        """SIGSTOP; returns when no thread of it runs any more."""
        os.kill(self.process.pid, signal.SIGSTOP)
        self._wait_stopped()

    def _wait_stopped(self) -> None:
        state = Path(f"/proc/{self.process.pid}/stat")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                stopped = state.read_text().rpartition(")")[2].split()[0] in "TZX"
            except OSError:
                time.sleep(0.1)  # no such file system here, or it is gone
                return
            if stopped:
                return
            time.sleep(0.002)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def outcome(self, seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Wait for the end; whoever takes longer than the platform allows is killed."""
        found = self._receive(seconds)
        if found is None or found == "paused":
            self.kill()
        elif self.stays:
            return found if isinstance(found, Outcome) else Outcome(False, "the worker has ended", killed=True)
        self.process.join(PATIENCE_SECONDS)
        self.channel.close()
        return found if isinstance(found, Outcome) else Outcome(False, "the worker was killed", killed=True)

    def _receive(self, seconds: float = PATIENCE_SECONDS) -> Any:
        try:
            return self.channel.recv() if self.channel.poll(seconds) else None
        except (EOFError, ConnectionError):
            return None


def start(order: Order) -> Worker:
    """Fork a child for `order`."""
    ours, theirs = mp.Pipe()
    process = _CONTEXT.Process(target=_run, args=(order, theirs), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours, order.stays)


_CONTEXT = mp.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.faults.preload"])


def _run(order: Order, channel: Connection) -> None:
    with order.log.open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    faulthandler.enable()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(process)d %(levelname)s %(name)s %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    print(f"--- {os.getpid()} {order.function} {order.interruption or ''}", file=sys.stderr, flush=True)
    os.environ.clear()
    os.environ.update(order.environment)
    asyncio.run(_report(order, channel))


async def _report(order: Order, channel: Connection) -> None:
    from tests.faults import steps

    met: list[Step] = []
    current = order
    loop = asyncio.get_running_loop()

    def listener(step: Step) -> None:
        met.append(step)
        interruption = current.interruption
        if interruption is not None and step == interruption.step:
            _interrupt(interruption.action, channel, lambda: loop.call_soon_threadsafe(task.cancel))

    _prepare(order)
    begin_anew = steps.install(listener)
    while True:
        task = asyncio.create_task(_invoke(current, met))
        channel.send(await task)
        if not order.stays:
            break
        try:
            current = await asyncio.to_thread(channel.recv)
        except EOFError:
            break
        met.clear()
        begin_anew()
    # no goodbye to any server, and no waiting for threads
    os._exit(0)


def _prepare(order: Order) -> None:
    """What holds for all of this process's invocations."""
    from tests.faults import clock, haste, sabotage

    haste.short_waits(order.answer_seconds)
    if order.sabotage:
        sabotage.apply(order.sabotage)
    if order.clock_seconds:
        clock.shift(order.clock_seconds)
    if order.memory is not None:
        ceiling = _address_space() + order.memory
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))


async def _invoke(order: Order, met: Sequence[Step]) -> Outcome:
    from tests.faults import preload

    function = preload.INVOCABLE[order.function]
    argument: Any = func.QueueMessage(body=order.body.encode()) if order.body is not None else _Timer()
    [parameter] = inspect.signature(function).parameters
    try:
        await function(**{parameter: argument})
    except (Exception, asyncio.CancelledError) as error:
        traceback.print_exc()
        return Outcome(False, f"{type(error).__name__}: {error}"[:500], steps=tuple(met))
    return Outcome(True, steps=tuple(met))


def _interrupt(action: Action, channel: Connection, cancel: Any) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        case "cancel":
            cancel()
        case "pause":
            channel.send("paused")
            os.kill(os.getpid(), signal.SIGSTOP)


class _Timer:
    past_due = False


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
