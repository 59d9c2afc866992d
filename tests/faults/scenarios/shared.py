"""Several instances read the parts of one chunk, and any of them is killed, sleeps or meets a writer, wherever it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.faults.host import Running
from tests.faults.needs import told
from tests.faults.scenarios.database import change_a_row
from tests.faults.stage import Stage
from tests.faults.steps import Step
from tests.faults.worker import Interruption

#: Steps of whoever reads shared parts, and of the worker that gathers them. A part has each of the first once or more.
_OF_A_PART = (
    "jobs.shared_parts.SharedParts.claim",
    "snapshot.snapshot.ReadSnapshot.__aenter__",
    "state.fence.holds_old_rows_alone",
    "wire.extract.read_batches",
    "lake.contents.FileContents.create_file",
    "lake.contents.FileContents.append_last",
    "jobs.shared_parts.SharedParts.finish",
)
_OF_THE_WORKER = (
    "jobs.shared_parts.SharedParts.share",
    "lake.client.LakehouseClient.move_file",
    "lake.client.LakehouseClient.publish_directory",
    "jobs.job_life.Ledger.finish_archive",
)
#: of a chunk of twenty pages or so
_PARTS = 10
#: whoever waits longer for a lock of a paused worker does not get it
_BLOCKED_AFTER_SECONDS = 20.0


def _shared(stage: Stage) -> None:
    """Each page is a part, and each chunk of two parts is shared."""
    stage.world.environment |= {"ARCHIVE_PART_BYTES": "8192", "ARCHIVE_SHARED_PARTS": "2"}
    stage.approach("archive_chunk")


def _step(stage: Stage, *names: str) -> Step:
    name = stage.rng.choice(names)
    occurrence = 0 if name in _OF_THE_WORKER else stage.rng.randrange(_PARTS)
    step = Step(name, occurrence, stage.rng.choice(["before", "after"]))
    stage.note(str(step))
    return step


def _helpers(stage: Stage) -> list[Running]:
    """Those that the worker has called; each is killed at a step of its own, or not."""
    found: list[Running] = []
    while stage.host.has_work("archive_part") and len(found) < 2:
        is_killed = stage.rng.random() < 0.5
        interruption = Interruption(_step(stage, *_OF_A_PART)) if is_killed else None
        found.append(stage.host.begin("archive_part", interruption=interruption))
    stage.struck = bool(found)
    return found


def _worker_at_work(stage: Stage) -> Running | None:
    """The job's worker, asleep where the first parts are claimed: others can help."""
    _shared(stage)
    return stage.begin_until("archive_chunk", Step("jobs.shared_parts.SharedParts.claim", stage.rng.randrange(2), "after"))


@told("archive", "removal")
def helpers_die(stage: Stage) -> None:
    """All read together, and helpers are killed."""
    if (worker := _worker_at_work(stage)) is not None:
        helpers = _helpers(stage)
        worker.worker.resume()
        for running in (worker, *helpers):
            running.end()


@told("archive", "removal")
def the_worker_dies(stage: Stage) -> None:
    """Helpers read on for a worker that is gone, while the next one has the job."""
    _shared(stage)
    worker = stage.host.begin("archive_chunk", interruption=Interruption(_step(stage, *_OF_A_PART, *_OF_THE_WORKER)))
    deadline = time.monotonic() + 5
    while not stage.host.has_work("archive_part") and worker.worker.process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    helpers = _helpers(stage)
    worker.end()
    stage.world.let_time_pass()
    stage.host.run("archive_chunk")
    for running in helpers:
        running.end()


@told("archive", "removal")
def a_helper_sleeps(stage: Stage) -> None:
    """Its claim runs out, others read the part, and then it wakes."""
    worker = _worker_at_work(stage)
    if worker is None or not stage.host.has_work("archive_part"):
        stage.struck = False
        if worker is not None:
            worker.worker.resume()
            worker.end()
        return
    sleeper = stage.begin_until("archive_part", Step(stage.rng.choice(_OF_A_PART), stage.rng.randrange(3), "after"))
    if stage.rng.random() < 0.5:
        # the worker's own lease goes on
        stage.world.let_claims_run_out()
    worker.worker.resume()
    worker.worker.process.join(stage.rng.choice([0.0, 0.5, 2.0]))
    stage.world.let_claims_run_out()
    worker.end(_BLOCKED_AFTER_SECONDS)
    stage.world.let_time_pass()
    if stage.rng.random() < 0.5:
        stage.host.run("archive_chunk")
    if sleeper is not None:
        sleeper.worker.resume()
        sleeper.end()


@told("archive", "removal")
def rows_change(stage: Stage) -> None:
    """Somebody writes while all read: the archive is what the chunk was at one moment."""
    if (worker := _worker_at_work(stage)) is not None:
        helpers = _helpers(stage)
        for _ in range(stage.rng.choice([1, 3])):
            change_a_row(stage)
            time.sleep(stage.rng.uniform(0, 0.1))
        worker.worker.resume()
        change_a_row(stage)
        for running in (worker, *helpers):
            running.end()


@told("archive", "removal")
def a_worker_sleeps(stage: Stage) -> None:
    """The worker sleeps while it gathers or publishes, the next one finishes, and then the first wakes."""
    _shared(stage)
    worker = stage.begin_until("archive_chunk", _step(stage, *_OF_THE_WORKER))
    if worker is None:
        return
    helpers = _helpers(stage)
    stage.struck = True
    stage.world.let_time_pass()
    body = worker.message.content
    stage.host.start("archive_chunk", body).outcome(_BLOCKED_AFTER_SECONDS)
    worker.worker.resume()
    for running in (worker, *helpers):
        running.end()


SCENARIOS: list[Callable[[Stage], None]] = [
    helpers_die,
    the_worker_dies,
    a_helper_sleeps,
    rows_change,
    a_worker_sleeps,
    the_worker_dies,
    rows_change,
]
