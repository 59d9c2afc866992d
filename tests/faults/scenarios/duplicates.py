"""The same request and the same message, many times."""

from __future__ import annotations

from tests.faults.stage import Stage

_COPIES = 10


def in_parallel(stage: Stage) -> None:
    """One message, ten workers at once."""
    function = stage.story.functions[-1] if stage.story.functions[-1] in stage.host.queue_functions() else "archive_chunk"
    stage.approach(function)
    queue = stage.host.queue_functions()[function]
    messages = stage.host.messages(queue)
    workers = [stage.host.start(function, message.content) for message in messages for _ in range(_COPIES // len(messages))]
    ended = [worker.outcome() for worker in workers]
    for message in messages:
        stage.host.settle(queue, message, all(outcome.succeeded for outcome in ended))


def after_success(stage: Stage) -> None:
    """The message again, when all is done, ten times."""
    function = "archive_chunk"
    stage.approach(function)
    queue = stage.host.queue_functions()[function]
    messages = stage.host.messages(queue)
    bodies = [message.content for message in messages]
    for message in messages:
        stage.host.settle(queue, message, succeeded=False)
    stage.recover()
    before = {job["job_id"]: (job["status"], job["attempt"]) for job in stage.world.jobs()}
    for _ in range(_COPIES // 2):
        assert all(stage.host.invoke(function, body).succeeded for body in bodies), "a duplicate failed"
    assert {job["job_id"]: (job["status"], job["attempt"]) for job in stage.world.jobs()} == before, "a duplicate did something"


def events(stage: Stage) -> None:
    """The request ten times, some with the same id, before and after the work."""
    for _ in range(_COPIES // 2):
        stage.story.ask(stage.world)
    stage.host.round()
    for _ in range(_COPIES // 2):
        stage.story.ask(stage.world)


def drains_in_parallel(stage: Stage) -> None:
    """The timer is a singleton until it is not."""
    stage.story.ask(stage.world)
    workers = [stage.host.start("drain_events") for _ in range(4)]
    for worker in workers:
        worker.outcome()


SCENARIOS = [in_parallel, after_success, events, drains_in_parallel]
