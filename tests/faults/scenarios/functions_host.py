"""The functions host ends with all that runs in it, forgets that a run has succeeded, and fires a timer twice."""

from __future__ import annotations

import time

from tests.faults.host import Running
from tests.faults.stage import Stage, any_story

#: Whoever waits longer for a lock of a paused worker does not get it.
_BLOCKED_AFTER_SECONDS = 20.0
#: code that runs on after its time-out, until its worker has ended
_RUNS_ON_SECONDS = 0.3


@any_story
def ends_at_a_renewal(stage: Stage) -> None:
    """Storage is refused at the renewal of one message: the host ends, and everything else in it."""
    for running in _two_at_work(stage):
        running.worker.kill()
        running.end()


@any_story
def worker_ends_at_a_time_out(stage: Stage) -> None:
    """A function runs too long: its call fails at once, its code runs on; then its worker ends, with another function in it."""
    hanging, *others = _two_at_work(stage)
    if hanging.message is not None:
        stage.host.settle(hanging.queue, hanging.message, succeeded=False)
    hanging.worker.resume()
    time.sleep(stage.rng.uniform(0, _RUNS_ON_SECONDS))
    hanging.worker.kill()
    hanging.worker.outcome()
    for other in others:
        other.worker.kill()
        other.end()


@any_story
def not_deleted_after_success(stage: Stage) -> None:
    """The run has succeeded and its message cannot be deleted: it comes again when it is visible."""
    stage.host.undeletable = meant = stage.rng.randint(1, 3)
    stage.play()
    stage.recover()
    stage.struck = stage.host.undeletable < meant
    stage.host.undeletable = 0


@any_story
def a_timer_wakes_beside_its_successor(stage: Stage) -> None:
    """The holder of a timer is paused, another host has the lease and runs; then the first goes on in the middle of its run."""
    timer = _on_the_way_to_a_timer(stage)
    woken = stage.begin_until(timer, stage.step(timer))
    if woken is None:
        return
    successor = stage.host.start(timer).outcome(_BLOCKED_AFTER_SECONDS)
    if successor.killed:
        stage.note("the successor waited for a lock of the paused one")
    woken.worker.resume()
    woken.end()


@any_story
def a_timer_twice_at_once(stage: Stage) -> None:
    """The holder wakes up while its successor is in the middle of its run, and both go on together."""
    timer = _on_the_way_to_a_timer(stage)
    woken = stage.begin_until(timer, stage.step(timer))
    if woken is None:
        return
    successor = stage.begin_until(timer, stage.step(timer))
    for running in (woken, successor):
        if running is not None:
            running.worker.resume()
    for running in (successor, woken):
        if running is not None:
            running.end()
    stage.struck = True


def _two_at_work(stage: Stage) -> list[Running]:
    """A function of the story and, in the same worker, another one, each stopped at a step; fewer if they end before it."""
    function = stage.rng.choice([name for name in stage.story.functions if name != "request_restore"])
    stage.approach(function)
    timers = sorted(set(stage.timers()) - {function})
    chosen = [name for name in (function, stage.rng.choice(timers)) if stage.host.has_work(name)]
    found = [running for name in chosen if (running := stage.begin_until(name, stage.step(name))) is not None]
    stage.struck = bool(found)
    return found or [stage.host.begin("reconcile")]


def _on_the_way_to_a_timer(stage: Stage) -> str:
    """Do some of the story, and choose a timer."""
    timer = stage.rng.choice(stage.timers())
    stage.story.ask(stage.world)
    functions = list(stage.story.functions)
    last = functions.index(timer) if timer in functions else stage.rng.randint(0, len(functions))
    for earlier in functions[:last]:
        stage.host.run(earlier)
    return timer


SCENARIOS = [
    ends_at_a_renewal,
    a_timer_wakes_beside_its_successor,
    not_deleted_after_success,
    a_timer_twice_at_once,
    worker_ends_at_a_time_out,
    a_timer_wakes_beside_its_successor,
]
