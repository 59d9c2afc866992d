"""A chunk goes only when the archive is there, whole, and of these very rows."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_REMOVAL = "acceptance/test_removal.py"
_LINEAGE = "acceptance/test_lineage.py"
_FLOW = "flows/removal/chunk_removal.py"
_SAME = "flows/removal/same_source.py"

MUTATIONS = (
    Mutation(
        name="damaged-archive-removes-its-chunk",
        file="flows/removal/chunk_proof.py",
        inside="ChunkProof.prove",
        old="if findings:",
        new="if False:",
        tests=("acceptance/test_removal.py::test_a_damaged_archive_keeps_its_chunk",),
    ),
    Mutation(
        name="removal-on-the-word-of-the-lake",
        file="flows/removal/chunk_proof.py",
        inside="ChunkProof._grounds",
        old="if job.proof is None and job.adopted:",
        new="if False:",
        guard="ADOPTED",
        tests=(
            "acceptance/test_marks.py::test_what_was_adopted_proves_nothing_until_it_was_compared",
            "acceptance/test_rebuild.py::test_no_chunk_goes_on_the_grounds_of_what_was_found_in_the_lake",
        ),
    ),
    Mutation(
        name="fence-of-a-history-that-is-lost",
        file="flows/removal/chunk_proof.py",
        inside="ChunkProof.prove",
        old="grounds = await self._compare_all(connection, job, chunk, manifest)",
        new="compared = await self._compare_all(connection, job, chunk, manifest)\n"
        '                grounds = manifest.grounds.model_copy(update={"nonce": compared.nonce})',
        guard="RENEW",
        tests=("acceptance/test_marks.py::test_after_a_comparison_its_own_snapshot_counts",),
    ),
    Mutation(
        name="companions-of-a-restore-are-forgotten",
        file="flows/removal/chunk_proof.py",
        inside="ChunkProof.look",
        old=", *await companions(connection, chunk)",
        new="",
        tests=("acceptance/test_removal_guards.py::test_chunks_that_share_an_archive_go_when_each_has_its_own",),
    ),
    Mutation(
        name="rows-are-not-compared-under-the-lock",
        file="flows/removal/chunk_proof.py",
        inside="ChunkProof.check_again",
        old="await _check_rows(connection, chunk, proven.grounds)",
        new="pass",
        guard="FENCE",
        tests=("acceptance/test_removal.py::test_nobody_writes_between_the_comparison_and_the_drop",),
    ),
    Mutation(
        name="table-is-not-compared-under-the-lock",
        file="flows/removal/chunk_proof.py",
        inside="ChunkProof.check_again",
        old="if chunk != proven.chunk or not await history.is_same_table(connection, chunk, proven.grounds):",
        new="if False:",
        guard="UNDERLOCK",
        tests=("acceptance/test_promise.py::test_a_leaf_swapped_while_the_removal_waits_is_a_change",),
    ),
    Mutation(
        name="columns-are-not-compared-under-the-lock",
        file="flows/removal/chunk_proof.py",
        inside="ChunkProof.check_again",
        old="chunk = await self._check_facts(connection, job, proven.manifest)",
        new="chunk = proven.chunk",
        guard="UNDERLOCK",
        tests=("acceptance/test_promise.py::test_columns_swapped_while_the_removal_waits_are_a_change",),
    ),
    Mutation(
        name="dropped-over-another-connection",
        file="flows/removal/chunk_removal.py",
        inside="ChunkRemoval._remove",
        old="                    await self._drop(connection, job, proven)\n",
        new="                    async with self._source.connect() as connection:\n"
        "                        await self._drop(connection, job, proven)\n",
        guard="ONECONN",
        tests=("acceptance/test_removal_guards.py::test_a_removal_does_not_outlive_its_connection",),
    ),
    Mutation(
        name="dropped-without-a-mark",
        file="flows/removal/chunk_removal.py",
        inside="ChunkRemoval._drop",
        old="await marks.record(connection, proven.stand_in(job, StandInKind.REMOVED))",
        new="pass",
        guard="FOLLOWS",
        tests=("acceptance/test_history.py::test_a_ledger_that_was_put_back_follows_the_marks",),
    ),
    Mutation(
        name="whole-archive-is-not-compared",
        file="flows/removal/trial.py",
        inside="TrialRestore.all",
        old='await check_same(connection, chunk, staging, columns, "true")',
        new="0",
        guard="COMPARE",
        tests=(
            "acceptance/test_history.py::test_disks_put_back_between_archive_and_removal",
            "acceptance/test_removal.py::test_a_copy_of_the_server_loses_nothing",
        ),
    ),
    Mutation(
        name="removed-while-it-is-archived-anew",
        file="ledger/sql/removal.sql",
        inside="finish_removal",
        old="and not exists",
        new="and true or exists",
        tests=("acceptance/test_removal_guards.py::test_who_is_faster_in_the_ledger_keeps_the_chunk",),
    ),
    Mutation(
        name="removed-although-it-is-not-archived-any-more",
        file="ledger/sql/removal.sql",
        inside="finish_removal",
        old=" and j.status = 'archived'",
        new="",
        tests=("acceptance/test_removal_guards.py::test_who_is_faster_in_the_ledger_keeps_the_chunk",),
    ),
    Mutation(
        name="due-while-it-is-archived-anew",
        file="ledger/sql/removal.sql",
        inside="removal_candidates",
        old="and not exists",
        new="and true or exists",
        tests=("acceptance/test_removal_guards.py::test_a_chunk_that_is_to_be_archived_anew_is_not_due",),
    ),
    Mutation(
        name="restored-and-due-again",
        file="ledger/sql/removal.sql",
        inside="removal_candidates",
        old=" and j.restored_at is null",
        new="",
        tests=("acceptance/test_lineage.py::test_restored_rows_stay_until_somebody_asks",),
    ),
    Mutation(
        name="removed-before-the-grace-is-over",
        file="ledger/sql/removal.sql",
        inside="removal_candidates",
        old="and j.finished_at + %(grace)s <= now()",
        new="and %(grace)s is not null",
        tests=("acceptance/test_removal_guards.py::test_the_grace_is_waited_for",),
    ),
    Mutation(
        name="removed-while-it-is-superseded",
        file="ledger/sql/removal.sql",
        inside="hold_removal",
        old="\nfor update",
        new="",
        guard="ROWLOCK",
        tests=("acceptance/test_removal_guards.py::test_an_archive_that_is_being_removed_is_held",),
    ),
    Mutation(
        name="drop-that-does-not-see-what-was-committed",
        file="source/removal/dropping.py",
        inside="locked",
        old="IsolationLevel.READ_COMMITTED",
        new="IsolationLevel.REPEATABLE_READ",
        guard="FENCE",
        tests=("acceptance/test_removal_guards.py::test_a_row_that_is_committed_while_the_lock_is_waited_for_is_seen",),
    ),
    Mutation(
        name="frozen-remover-holds-its-lock",
        file="source/removal/dropping.py",
        old='"idle_in_transaction_session_timeout": "5s"',
        new='"idle_in_transaction_session_timeout": "0"',
        tests=("acceptance/test_removal.py::test_a_frozen_remover_does_not_stop_ingest",),
    ),
    Mutation(
        name="what-came-back-in-trial-is-not-compared",
        file="source/restore/trial.py",
        inside="check_same",
        old="if staged == found:",
        new="if True:",
        guard="TRIAL",
        tests=("acceptance/test_promise.py::test_a_reading_that_changed_a_value_keeps_its_chunk",),
    ),
)
