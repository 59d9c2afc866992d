"""What a crash left is put right, and nothing else is touched."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_RECONCILE = "acceptance/test_reconcile.py"
_ADOPTION = "flows/upkeep/adoption.py"

MUTATIONS = (
    Mutation(
        name="adopted-beside-a-worker",
        file=_ADOPTION,
        inside="Adoption._take_in",
        old="publisher.status is Status.RUNNING or publisher.contested",
        new="publisher.status is Status.RUNNING",
        tests=("acceptance/test_reconcile.py::test_what_a_worker_is_at_is_left_alone",),
    ),
    Mutation(
        name="damaged-archive-is-adopted",
        file=_ADOPTION,
        inside="Adoption._take_in",
        old="await self._check(manifest)",
        new="pass",
        tests=("acceptance/test_reconcile.py::test_what_is_no_archive_is_reported_and_stays",),
    ),
    Mutation(
        name="archive-of-another-database-is-adopted",
        file="flows/upkeep/adoption.py",
        inside="Adoption._take_in",
        old="await self._check_is_ours(manifest)",
        new="pass",
        tests=("acceptance/test_reconcile.py::test_an_archive_of_another_database_is_none_of_ours",),
    ),
    Mutation(
        name="recorded-meanwhile-is-a-stray",
        file=_ADOPTION,
        inside="Adoption._take_in",
        old="if await self._archives.known([folder]):",
        new="if False:",
        tests=("acceptance/test_reconcile.py::test_what_another_run_records_meanwhile_is_no_stray",),
    ),
    Mutation(
        name="moved-archive-is-adopted",
        file="flows/archive/published.py",
        inside="read_inner_manifest",
        old="if manifest.lake_path != folder:",
        new="if False:",
        tests=("acceptance/test_reconcile.py::test_what_is_no_archive_is_reported_and_stays",),
    ),
    Mutation(
        name="merged-is-gone",
        file="flows/upkeep/gone_chunks.py",
        inside="GoneChunks._settle",
        old="whereabouts = await self._elsewhere.look(connection, manifest)",
        new="whereabouts = Whereabouts.NONE_THERE",
        guard="GONE",
        tests=("acceptance/test_reconcile.py::test_a_table_that_is_gone_is_not_rows_that_are_gone",),
    ),
    Mutation(
        name="gone-from-another-database",
        file="flows/upkeep/gone_chunks.py",
        inside="GoneChunks.run",
        old="if not history.is_same_server(here, manifest):",
        new="if False:",
        tests=("acceptance/test_reconcile.py::test_what_may_be_there_does_not_count_as_removed",),
    ),
    Mutation(
        name="backlog-is-sent-again",
        file="flows/upkeep/lost_messages.py",
        old="if missing <= 0:",
        new="if live <= 0:",
        tests=("acceptance/test_reconcile.py::test_ten_thousand_waiting_jobs_get_no_duplicates",),
    ),
    Mutation(
        name="staging-of-a-live-job-is-swept",
        file="ledger/sql/upkeep.sql",
        inside="staging_owners",
        old="status in ('queued', 'running') or ",
        new="",
        tests=("acceptance/test_reconcile.py::test_leftovers_of_staging_go",),
    ),
    Mutation(
        name="superseded-is-damaged",
        file="flows/upkeep/verification.py",
        inside="Verification._check",
        old="if findings and await",
        new="if False and await",
        tests=("acceptance/test_verification.py::test_an_archive_that_is_just_superseded_is_not_missing",),
    ),
)
