"""A message is deleted when its job has ended, or has another message; each attempt and each end is in the history."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_LIFE = "ledger/sql/migrations/0016_job_life.sql"

MUTATIONS = (
    Mutation(
        name="message-of-a-failed-attempt-is-deleted",
        file="flows/jobs/runner.py",
        inside="JobRunner._set_back",
        old="return False",
        new="return True",
        tests=("acceptance/test_main_job.py::test_a_flipped_bit_on_the_way_back_is_found_and_nothing_is_published",),
    ),
    Mutation(
        name="postponed-without-another-message",
        file="flows/jobs/runner.py",
        inside="JobRunner._send_later",
        old="await self._send(message, delay_seconds=seconds)",
        new="pass",
        tests=("acceptance/test_outages.py::test_jobs_and_events_outlive_an_outage[source]",),
    ),
    Mutation(
        name="message-of-a-running-job-is-deleted",
        file="flows/jobs/runner.py",
        inside="JobRunner._look_later",
        old="if job.status is Status.RUNNING:",
        new="if False:",
        tests=("acceptance/test_handing_over.py::test_the_message_of_a_job_that_another_worker_has_comes_again",),
    ),
    Mutation(
        name="message-of-a-job-that-waits-is-deleted",
        file="flows/jobs/runner.py",
        inside="JobRunner._look_later",
        old="await self._send(message, delay_seconds=self._dependencies.backoff)",
        new="pass",
        tests=("acceptance/test_handing_over.py::test_the_message_of_a_job_that_waits_comes_again",),
    ),
    Mutation(
        name="job-that-is-put-off-has-no-message",
        file="flows/jobs/runner.py",
        inside="JobRunner._run",
        old="await self._send(message)",
        new="pass",
        tests=("acceptance/test_parts.py::test_a_run_whose_time_is_over_leaves_the_rest_to_the_next",),
    ),
    Mutation(
        name="no-failure-of-its-own-ends-a-job",
        file="flows/jobs/runner.py",
        inside="JobRunner._set_back",
        old="kind is not None and setback.is_hopeless(",
        new="kind is not None and None is (",
        tests=("acceptance/test_outages.py::test_what_a_job_fails_at_by_itself_ends_it",),
    ),
    Mutation(
        name="postponed-job-keeps-its-lease",
        file="flows/jobs/runner.py",
        inside="JobRunner._set_back",
        old="times = await self._ledger.release(job, error.code, str(error), postponed=True)",
        new="pass",
        tests=("acceptance/test_job_life.py::test_a_job_that_is_put_off_is_anybody_s_at_once",),
    ),
    Mutation(
        name="any-status-follows-any",
        file=_LIFE,
        old="if not exists (select from archival.job_transition where",
        new="if exists (select from archival.job_transition where false and",
        tests=("acceptance/test_job_life.py::test_what_is_no_transition_is_refused",),
    ),
    Mutation(
        name="lost-attempt-leaves-no-line",
        file=_LIFE,
        old=" and (new.status <> 'running' or new.lease_token is not distinct from old.lease_token)",
        new="",
        tests=("acceptance/test_job_life.py::test_a_job_shows_its_attempts_and_what_became_of_it",),
    ),
    Mutation(
        name="end-of-an-attempt-leaves-no-line",
        file=_LIFE,
        old="if (old.status, new.status) <> ('queued', 'running') and (",
        new="if (old.status, new.status) <> ('queued', 'running') and old.status <> 'running' and (",
        tests=("acceptance/test_job_life.py::test_a_job_shows_its_attempts_and_what_became_of_it",),
    ),
)
