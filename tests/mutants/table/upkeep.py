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
        name="planted-manifest-stops-a-job",
        file="flows/archive/published.py",
        inside="what_lies_at",
        old="(folder, paths.archive_manifest(folder), paths.superseded_folder(folder))",
        new="(folder,)",
        tests=("acceptance/test_publication.py::test_what_lies_in_a_manifest_s_place_stops_no_job",),
    ),
    Mutation(
        name="manifest-planted-behind-the-rename-stops-a-job",
        file="flows/archive/published.py",
        inside="has_room",
        old="if found is None:",
        new="if True:",
        tests=("acceptance/test_publication.py::test_a_manifest_planted_behind_the_rename_stops_no_job",),
    ),
    Mutation(
        name="mark-written-again-replaces-another",
        file="flows/upkeep/follow_marks.py",
        inside="FollowMarks._write",
        old="await marks.record_missing(connection, stand_in)",
        new="await marks.record(connection, stand_in) is None",
        tests=("acceptance/test_marks.py::test_marks_written_again_do_not_replace_what_the_source_says",),
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
        name="adopted-is-history",
        file="flows/upkeep/gone_chunks.py",
        inside="GoneChunks._settle",
        old="if job.adopted and job.proof is None:",
        new="if False:",
        guard="ADOPTED",
        tests=("acceptance/test_marks.py::test_what_was_adopted_is_no_history_of_what_others_drop",),
    ),
    Mutation(
        name="later-archive-is-not-looked-for",
        file="flows/upkeep/gone_chunks.py",
        inside="GoneChunks._settle",
        old="later = await self._marked.has_later(job)",
        new="later = False",
        guard="DROPPED",
        tests=("acceptance/test_marks.py::test_dropped_by_others_is_said_of_the_last_archive_alone",),
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
