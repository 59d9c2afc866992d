"""Redis restarts, forgets, and loses its last writes."""

from __future__ import annotations

from tests.faults.stage import Stage


def restarted(stage: Stage) -> None:
    """While a worker is between two of its steps."""
    function = stage.rng.choice(list(stage.story.functions))
    stage.approach(function)
    if running := stage.begin_until(function, stage.step(function)):
        stage.world.servers.valkey.restart()
        running.worker.resume()
        running.end()


def flushed_after_the_drain(stage: Stage) -> None:
    """FLUSHALL: stream and group are gone, the jobs are in the ledger already."""
    function = "archive_chunk"
    stage.approach(function)
    if running := stage.begin_until(function, stage.step(function)):
        stage.world.redis.flushall()
        running.worker.resume()
        running.end()


def flushed_before_the_drain(stage: Stage) -> None:
    """The request itself is lost: whoever sent it does so again, since it has seen no result."""
    stage.approach("drain_events")
    if running := stage.begin_until("drain_events", stage.step("drain_events")):
        stage.world.redis.flushall()
        running.worker.resume()
        running.end()
    stage.story.ask(stage.world)


def trimmed(stage: Stage) -> None:
    """XTRIM while events are pending: what has no content any more is buried, and counted."""
    stage.approach("drain_events")
    if running := stage.begin_until("drain_events", stage.step("drain_events")):
        stage.world.redis.xtrim(stage.world.environment["EVENTS_STREAM"], 0)
        running.worker.kill()
        running.end()
    stage.story.ask(stage.world)
    stage.host.round()
    # a job whose message was not sent has no event any more that would come again
    stage.world.let_an_hour_pass()
    stage.host.invoke("reconcile")


def group_lost(stage: Stage) -> None:
    """The consumer group is gone: every event comes again."""
    stage.play()
    stage.world.redis.xgroup_destroy(
        stage.world.environment["EVENTS_STREAM"], stage.world.environment.get("EVENTS_GROUP", "archival-service")
    )
    stage.host.round()


def failed_over(stage: Stage) -> None:
    """A failover loses the last writes: acknowledgements are forgotten, results too."""
    stage.play()
    stage.world.redis.xgroup_setid(stage.world.environment["EVENTS_STREAM"], "archival-service", "0")
    stage.world.redis.delete(stage.world.environment["RESULTS_STREAM"])
    stage.host.round()


SCENARIOS = [restarted, flushed_after_the_drain, trimmed, failed_over, flushed_before_the_drain, group_lost]
