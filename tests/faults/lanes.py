"""Runs side by side: each lane is a process with servers of its own."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from typing import Any

from tests.faults.runner import Result, opened

#: family and number of a run
Wanted = tuple[str, int]
#: how long the servers of a lane may take to stop
_GRACE_SECONDS = 45.0


class LaneError(RuntimeError):
    """A lane that could not go on: the harness or one of its servers broke, not the service."""


def results(wanted: Sequence[Wanted], seed: int, lanes: int) -> Iterator[Result]:
    """Every wanted run, in the order in which they end."""
    if not wanted:
        return
    context = mp.get_context("spawn")
    waiting: Any = context.Queue()
    done: Any = context.Queue()
    for run in wanted:
        waiting.put(run)
    lanes = min(lanes, len(wanted))
    for _ in range(lanes):
        waiting.put(None)
    processes = [context.Process(target=_lane, args=(waiting, done, seed)) for _ in range(lanes)]
    try:
        for process in processes:
            process.start()
        ended = 0
        while ended < lanes:
            found = done.get()
            if isinstance(found, str):
                raise LaneError(f"a lane has ended:\n{found}")
            ended += found is None
            if found is not None:
                yield found
    finally:
        # whoever is stopped half-way leaves runs that nobody takes: the queue's own thread would wait for that for ever
        waiting.cancel_join_thread()
        _end(processes)


def _end(processes: Sequence[Any]) -> None:
    started = [process for process in processes if process.pid is not None]
    for process in started:
        process.terminate()
    for process in started:
        process.join(_GRACE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _lane(waiting: Any, done: Any, seed: int) -> None:
    # what is told when nobody listens any more must not keep the lane from ending
    done.cancel_join_thread()
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        with opened() as runner:
            while run := waiting.get():
                family, number = run
                done.put(runner.run(family, number, seed))
    except SystemExit:
        raise
    except BaseException:
        _tell(done, traceback.format_exc())
        raise
    _tell(done, None)


def _tell(done: Any, what: str | None) -> None:
    """The last that a lane says has to arrive."""
    done.put(what)
    done.close()
    done.join_thread()


def _leave(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + signal.SIGTERM)


def _end_with_the_parent() -> None:
    """A parent that is killed cannot say goodbye."""
    parent = mp.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
