"""SIGSTOP past its lease, another finishes, SIGCONT: the first is refused everywhere."""

from __future__ import annotations

from typing import Any

from tests.faults.stage import Stage, any_story

#: Whoever waits longer for a lock of a paused worker does not get it.
_BLOCKED_AFTER_SECONDS = 20.0


@any_story
def overtaken(stage: Stage) -> None:
    """The second worker does all of it before the first goes on."""
    function = stage.rng.choice([name for name in stage.story.functions if name not in ("drain_events", "request_restore")])
    stage.approach(function)
    running = stage.begin_until(function, stage.step(function))
    if running is None:
        return
    body = running.message.content if running.message is not None else None
    stage.world.let_time_pass()
    second = stage.host.start(function, body).outcome(_BLOCKED_AFTER_SECONDS)
    if second.killed or "TransientError" in second.error:
        stage.note(f"the first was paused with locks that the second needs: {second.error}")
    else:
        assert second.succeeded, f"the second worker failed: {second.error}"
    before = _published(stage)
    running.worker.resume()
    running.end()
    changed = sorted(name for name, value in _published(stage).items() if before.get(name, value) != value)
    assert not changed, f"the first worker changed what the second had finished: {changed}"


@any_story
def half_overtaken(stage: Stage) -> None:
    """The second is paused too, at a step of its own, and both go on together."""
    function = stage.rng.choice([name for name in stage.story.functions if name not in ("drain_events", "request_restore")])
    stage.approach(function)
    first = stage.begin_until(function, stage.step(function))
    if first is None:
        return
    stage.world.let_time_pass()
    if first.message is not None:
        stage.world.queue(first.queue).send_message(first.message.content)
    second = stage.begin_until(function, stage.step(function))
    for running in (first, second):
        if running is not None:
            running.worker.resume()
    for running in (second, first):
        if running is not None:
            running.end()
    stage.struck = True


def a_paused_drain(stage: Stage) -> None:
    """Another drain takes the events meanwhile."""
    stage.approach("drain_events")
    running = stage.begin_until("drain_events", stage.step("drain_events"))
    if running is None:
        return
    stage.host.round()
    running.worker.resume()
    running.end()


def _published(stage: Stage) -> dict[str, Any]:
    """Everything that is final."""
    world = stage.world
    found = [file for top in ("tables", "manifests") for file in (world.lake / top).rglob("*") if file.is_file()]
    files = {str(file): file.read_bytes() for file in found}
    jobs = {
        str(job["job_id"]): (job["attempt"], job["lake_path"], job["manifest"])
        for job in world.jobs()
        if job["status"] not in ("queued", "running")
    }
    return files | jobs


SCENARIOS = [overtaken, half_overtaken, overtaken, a_paused_drain, half_overtaken]
