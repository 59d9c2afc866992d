"""Tests of the harness itself: a service that is broken on purpose is found out, and a row that is gone is missed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.faults.host import Plan
from tests.faults.runner import Result, Runner
from tests.faults.stage import Stage
from tests.faults.steps import Step
from tests.faults.stories import STORIES
from tests.faults.worker import Interruption

# servers are restarted and workers waited for, on machines that have other things to do
pytestmark = pytest.mark.timeout(600)


def played(runner: Runner, scenario: Callable[[Stage], None], story: str = "archive", **options: Any) -> Result:
    # one reader: which parts are finished at a step is no matter of chance then
    runner.options, runner.settings = options, {"ARCHIVE_READERS": "1"}
    try:
        return runner.play("harness", 0, 1, STORIES[story], scenario, random.Random(1))
    finally:
        runner.options, runner.settings = {}, {}


def nothing(stage: Stage) -> None:
    """No fault at all."""
    stage.play()


def killed_before_the_jobs_are_there(stage: Stage) -> None:
    stage.approach("archive_chunk")  # makes the ledger
    for message in stage.host.messages(stage.world.environment["ARCHIVE_QUEUE"]):
        stage.world.queue().delete_message(message)
    with stage.world.connect() as connection:
        connection.execute("truncate archival.job cascade")
    stage.host.plan = Plan("drain_events", Interruption(Step("jobs.job_life.Ledger.add_jobs", 0, "before")))
    stage.story.ask(stage.world)
    stage.host.round()


@pytest.mark.slow
def test_a_service_that_works_is_found_good(runner: Runner) -> None:
    result = played(runner, nothing)
    assert result.good, result.report
    assert result.rows == 2 * 300 + 20  # both archives, and the table


@pytest.mark.parametrize(
    ("sabotage", "lost", "doubled"),
    [("drops_rows", True, False), pytest.param("doubles_rows", False, True, marks=pytest.mark.slow)],
)
def test_rows_that_are_left_out_or_doubled_are_counted(runner: Runner, sabotage: str, lost: bool, doubled: bool) -> None:
    result = played(runner, nothing, sabotage=sabotage)
    assert (result.lost > 0, result.doubled > 0) == (lost, doubled)
    assert not result.good


@pytest.mark.slow
def test_flipped_bits_that_are_published_are_found(runner: Runner) -> None:
    def rotten(stage: Stage) -> None:
        stage.world.fault("PATCH", "parquet?action=append", kind="bit_rot", times=2)
        stage.play()

    result = played(runner, rotten, sabotage="trusts_the_lake")
    assert "is not what its manifest says" in result.report


@pytest.mark.slow
def test_an_event_that_is_acknowledged_too_early_is_missed(runner: Runner) -> None:
    assert played(runner, killed_before_the_jobs_are_there).good
    result = played(runner, killed_before_the_jobs_are_there, sabotage="acknowledges_first")
    assert not result.recovered
    assert "NotRecoveredError" in result.report


@pytest.mark.slow
def test_parts_of_two_states_of_a_chunk_are_found(runner: Runner) -> None:
    def changed(stage: Stage) -> None:
        stage.approach("archive_chunk")
        running = stage.begin_until("archive_chunk", Step("jobs.job_life.Ledger.add_part", 0, "after"))
        assert running is not None
        running.worker.kill()
        running.end()
        with psycopg.connect(stage.world.database_url, autocommit=True) as connection:
            for identity in range(0, 300, 3):
                stage.world.truth.change(connection, identity, "changed")

    assert played(runner, changed).good
    result = played(runner, changed, sabotage="ignores_the_fence")
    assert not result.good
    assert result.lost > 0


def test_a_row_that_is_gone_from_the_database_is_missed(runner: Runner) -> None:
    def deleted(stage: Stage) -> None:
        stage.play()
        with stage.world.connect() as connection:
            connection.execute("delete from weather.m3 where id = (select min(id) from weather.m3)")

    result = played(runner, deleted)
    assert (result.lost, result.doubled) == (1, 0)


@pytest.mark.slow
def test_a_row_that_comes_back_after_removal_is_there_twice(runner: Runner) -> None:
    def returned(stage: Stage) -> None:
        stage.play()
        stage.recover()
        with psycopg.connect(stage.world.database_url, autocommit=True) as connection:
            connection.execute(
                "create table weather.late partition of weather.readings for values from ('2026-01-01Z') to ('2026-02-01Z')"
            )
            truth = stage.world.truth
            truth.insert(connection, [truth.now[0]])

    result = played(runner, returned, story="removal")
    assert (result.lost, result.doubled) == (0, 1)


def test_a_changed_file_in_the_lake_is_found(runner: Runner) -> None:
    def altered(stage: Stage) -> None:
        stage.play()
        stage.recover()
        file = sorted((stage.world.lake / "tables").rglob("*.parquet"))[0]
        content = bytearray(file.read_bytes())
        content[0] ^= 1
        file.write_bytes(content)

    assert "is not what its manifest says" in played(runner, altered).report


@pytest.mark.slow
def test_the_steps_are_those_of_every_room_that_touches_others(runner: Runner) -> None:
    found: dict[str, set[str]] = {}

    def look(stage: Stage) -> None:
        found.update({function: {step.name for step in steps} for function, steps in stage.trace().items()})
        stage.play()

    assert played(runner, look, story="removal").good
    assert {
        "redis.messaging.MessagingClient.acknowledge",
        "clients.queue.QueueClient.send",
        "jobs.job_life.Ledger.add_jobs",
    } <= found["drain_events"]
    assert {
        "snapshot.snapshot.ReadSnapshot.__aenter__",
        "wire.extract.read_batches",
        "wire.extract.read_batches item",
        "lake.client.LakehouseClient.publish_directory",
        "sql: end of transaction",
    } <= found["archive_chunk"]
    assert {"removal.dropping.drop", "state.fence.holds_same_rows", "archives.removals.Removals.finish"} <= found[
        "remove_chunks"
    ]


@pytest.mark.slow
def test_a_run_can_be_had_again(runner: Runner) -> None:
    first, second = (runner.run("crash", 1, seed=3) for _ in range(2))
    assert (first.scenario, first.story, first.struck) == (second.scenario, second.story, second.struck)
