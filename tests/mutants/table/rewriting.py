"""An archive of before is written anew, proven, and takes the place of the former one."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_TESTS = "acceptance/test_table_migration.py"

MUTATIONS = (
    Mutation(
        name="written-anew-and-not-compared",
        file="source/restore/proof/copying.py",
        inside="_check_same",
        old="if staged != found:",
        new="if False:",
        tests=(f"{_TESTS}::test_rows_that_are_written_otherwise_are_found_out",),
    ),
    Mutation(
        name="restored-and-its-mark-changes-hands",
        file="source/state/marks/handing_over.py",
        old=" AND kind <> 'restored'",
        new="",
        tests=(f"{_TESTS}::test_a_mark_that_says_that_the_rows_are_back",),
    ),
    Mutation(
        name="reading-of-what-is-written-anew-has-no-mark",
        file="source/state/marks/handing_over.py",
        old="        await conn.execute(_SAME_READING, values)\n",
        new="",
        tests=(f"{_TESTS}::test_an_archive_whose_chunk_is_gone_is_written_anew",),
    ),
    Mutation(
        name="written-anew-and-adopted",
        file="ledger/sql/archives/archives.sql",
        inside="adopt",
        old="j.options ->> 'rewrites' is not null or exists (",
        new="exists (",
        tests=(f"{_TESTS}::test_a_restore_that_is_faster_keeps_the_archive",),
    ),
    Mutation(
        name="former-archive-counts-on",
        file="ledger/sql/archives/rewrites.sql",
        inside="finish_rewrite",
        old="update archival.job o set status = 'superseded', removed_at = null from former where o.job_id = former.job_id",
        new="select from former",
        tests=(f"{_TESTS}::test_an_archive_whose_chunk_is_gone_is_written_anew",),
    ),
)
