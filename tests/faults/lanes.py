"""Runs side by side: each lane is a process with servers of its own."""

from __future__ import annotations

import multiprocessing as mp
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from tests.faults.runner import Result, opened

#: family and number of a run
Wanted = tuple[str, int]


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
    for process in processes:
        process.start()
    try:
        ended = 0
        while ended < lanes:
            found = done.get()
            if isinstance(found, str):
                raise LaneError(f"a lane has ended:\n{found}")
            ended += found is None
            if found is not None:
                yield found
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _lane(waiting: Any, done: Any, seed: int) -> None:
    try:
        with opened() as runner:
            while run := waiting.get():
                family, number = run
                done.put(runner.run(family, number, seed))
        done.put(None)
    except BaseException:
        done.put(traceback.format_exc())
        raise
