"""The functions host and the platform under it."""

from __future__ import annotations

from tests.faults.host import Plan
from tests.faults.stage import Stage, any_story
from tests.faults.truth import SCHEMA
from tests.faults.worker import Interruption


@any_story
def terminated(stage: Stage) -> None:
    """SIGTERM in the middle of a run, and no time to tidy up."""
    function = stage.rng.choice(list(stage.story.functions))
    stage.host.plan = Plan(function, Interruption(stage.step(function), "terminate"))
    stage.play()


@any_story
def cancelled(stage: Stage) -> None:
    """A deployment ends the run: its task is cancelled, and may tidy up."""
    function = stage.rng.choice(list(stage.story.functions))
    stage.host.plan = Plan(function, Interruption(stage.step(function), "cancel"))
    stage.play()


def redelivered(stage: Stage) -> None:
    """The message comes again while its first worker still works: renewal of its visibility has failed."""
    function = "archive_chunk"
    stage.world.environment["JOB_LEASE"] = "PT2S"
    stage.approach(function)
    running = stage.begin_until(function, stage.step(function, "Ledger|Lakehouse"))
    if running is None:
        return
    again = stage.host.invoke(function, running.message.content)
    assert again.succeeded, f"a redelivered message failed: {again.error}"
    if stage.rng.random() < 0.5:
        running.worker.resume()
    else:
        running.worker.kill()
    running.end()


def poisoned(stage: Stage) -> None:
    """Five attempts fail at the job's own archive, which never reads back as it was written: the job has failed, says so, and
    can be asked for again."""
    fault = stage.world.fault("GET", ".parquet", kind="flip_bit", times=10**6)
    stage.story.ask(stage.world)
    for _ in range(6):
        stage.host.round()
    stage.struck = fault.hits >= 5
    stage.world.servers.heal()
    failed = {job["chunk"]: job["status"] for job in stage.world.jobs()}
    assert failed == {f"{SCHEMA}.{chunk}": "failed" for chunk in stage.story.chunks}, f"after five deliveries: {failed}"
    stage.story.ask(stage.world)


SCENARIOS = [terminated, cancelled, redelivered, poisoned]
