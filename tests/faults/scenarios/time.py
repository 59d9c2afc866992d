"""The worker's clock is wrong: only the database's time counts. What is shifted: see `tests/faults/clock.py`."""

from __future__ import annotations

from tests.faults.stage import Stage, any_story

_HOUR = 3600.0


@any_story
def ahead_or_behind(stage: Stage) -> None:
    """All workers."""
    stage.host.options["clock_seconds"] = stage.rng.choice([_HOUR, -_HOUR])
    stage.note(f"the clock is {stage.host.options['clock_seconds']} s ahead")
    stage.play()


def a_lease_is_not_over(stage: Stage) -> None:
    """A worker whose clock is an hour ahead must not take a job that another one holds."""
    function = "archive_chunk"
    stage.world.environment["JOB_LEASE"] = "PT2S"
    stage.approach(function)
    step = stage.step(function, "take_lease", "after")
    # a long pause of the harness itself must not end the lease
    stage.world.environment["JOB_LEASE"] = "PT60S"
    running = stage.begin_until(function, step)
    if running is None:
        return
    second = stage.host.invoke(function, running.message.content, clock_seconds=_HOUR)
    running.worker.resume()
    assert running.end().succeeded, "the owner of the lease was disturbed"
    assert second.succeeded, f"the second worker failed: {second.error}"
    assert {job["attempt"] for job in stage.world.jobs()} <= {0, 1}, "a lease was taken over before it ended"


SCENARIOS = [ahead_or_behind, a_lease_is_not_over, ahead_or_behind]
