"""Tests of the harness: a service that does not bear locks, silence, outages, failovers, poolers or lost histories is found
out."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest

from tests.faults.needs import needing
from tests.faults.runner import Runner
from tests.faults.scenarios import failover, locks, outage, pooler, silence
from tests.faults.scenarios.history import change, history_is_lost
from tests.faults.stage import Stage
from tests.faults.steps import Step
from tests.faults.test_harness import played
from tests.kit.disks import Disks
from tests.kit.pgbouncer import program

# servers are restarted and workers waited for, on machines that have other things to do
pytestmark = pytest.mark.timeout(600)


@pytest.mark.slow
def test_a_lock_that_is_kept_is_found(runner: Runner) -> None:
    queued = partial(locks.queued, "the table is locked")
    result = played(runner, queued, sabotage="keeps_a_lock")
    assert "the application waits for more than 4.0 s" in result.report


@pytest.mark.slow
def test_a_silent_connection_that_is_waited_for_is_found(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "MOST_SECONDS", 6.0)

    def silent(stage: Stage) -> None:
        step = Step("jobs.job_life.Ledger.add_part", 0, "before")
        silence.falls_silent(stage, ("postgres",), "archive_chunk", step, new_too=False)

    result = played(runner, silent, sabotage="watches_no_connection")
    assert "archive_chunk has waited for a silent connection for 6.0 s" in result.report


@pytest.mark.slow
def test_a_job_that_an_outage_ends_is_found(runner: Runner) -> None:
    result = played(runner, partial(outage.away, "the source", "takes no connections"), "backlog", sabotage="blames_the_job")
    assert "jobs have failed that would have worked" in result.report


@pytest.mark.slow
def test_a_redis_that_takes_no_writes_for_ever_is_found(runner: Runner) -> None:
    fails_over = partial(failover.redis_fails_over, "kept", "drain_events", like="acknowledge")
    result = played(runner, fails_over, sabotage="keeps_its_connections")
    assert "events are not taken any more" in result.report


@pytest.mark.skipif(program() is None, reason="needs PgBouncer: apt-get install pgbouncer")
@pytest.mark.slow
def test_sessions_that_are_shared_without_a_word_are_found(runner: Runner) -> None:
    before = partial(pooler.before, "LEDGER_DATABASE_URL", "transaction mode in turn")
    result = played(runner, before, sabotage="trusts_poolers")
    assert "nobody says that this is a pooler" in result.report


@pytest.mark.slow
def test_an_archive_of_a_lost_history_that_counts_is_found(runner: Runner) -> None:
    @needing(own_source=True, ledger_apart=True)
    def put_back(stage: Stage) -> None:
        disks = Disks(stage.world.servers.postgres, stage.world.servers.folder / f"backup-{stage.world.token}")
        disks.save()
        saved = stage.world.truth.now
        change(stage, "of the lost history")
        stage.approach("remove_chunks")
        disks.put_back()
        history_is_lost(stage, saved)
        change(stage, "of this history")

    assert not played(runner, put_back, "removal", sabotage="believes_any_history").good


def test_a_row_that_an_archive_of_a_lost_history_has_is_none_that_is_there(runner: Runner) -> None:
    def gone(stage: Stage) -> None:
        stage.play()
        stage.recover()
        stage.world.history_lost = True
        with psycopg.connect(stage.world.database_url, autocommit=True) as connection:
            connection.execute("delete from weather.m3 where id = (select min(id) from weather.m3)")

    assert played(runner, gone).lost == 1
