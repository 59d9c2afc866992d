"""An archive of before is written anew, proven, and takes the place of the former one."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_TESTS = "acceptance/test_table_migration.py"
_MEANWHILE = "acceptance/test_table_migration_meanwhile.py"

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
        name="damaged-and-its-mark-changes-hands",
        file="flows/tables/migrating/lasting.py",
        inside="Lasting.check",
        old="if findings := await check_archive(self._lake, manifest):",
        new="if findings := [] and await check_archive(self._lake, manifest):",
        tests=(f"{_TESTS}::test_what_is_damaged_since_it_was_published_takes_no_place",),
    ),
    Mutation(
        name="written-anew-without-a-younger-marker",
        file="flows/tables/migrating/lasting.py",
        inside="Lasting.check",
        old="await self._marker.check(job)",
        new="pass",
        tests=(f"{_TESTS}::test_a_lake_that_goes_back_to_before_the_new_archive_is_noticed",),
    ),
    Mutation(
        name="written-anew-in-one-region",
        file="flows/tables/migrating/lasting.py",
        inside="Lasting.check",
        old="await self._second_region.check(job, manifest)",
        new="pass",
        tests=(f"{_TESTS}::test_the_former_archive_stands_in_until_the_second_region_has_the_new_one",),
    ),
    Mutation(
        name="restored-and-its-mark-changes-hands",
        file="source/state/marks/handing_over.py",
        old=" AND kind <> 'restored'",
        new="",
        tests=(f"{_MEANWHILE}::test_a_mark_that_says_that_the_rows_are_back",),
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
        tests=(f"{_MEANWHILE}::test_a_restore_that_is_faster_keeps_the_archive",),
    ),
    Mutation(
        name="former-archive-counts-on",
        file="ledger/sql/archives/rewrites.sql",
        inside="finish_rewrite",
        old="update archival.job o set status = 'superseded', removed_at = null from former where o.job_id = former.job_id",
        new="select from former",
        tests=(f"{_TESTS}::test_an_archive_whose_chunk_is_gone_is_written_anew",),
    ),
    Mutation(
        name="written-anew-long-ago",
        file="ledger/sql/archives/rewrites.sql",
        inside="finish_rewrite",
        old="finished_at = now(), removed_at",
        new="finished_at = former.removed_at - interval '2 days', removed_at",
        tests=(f"{_TESTS}::test_a_lake_that_goes_back_to_before_the_new_archive_is_noticed",),
    ),
)
