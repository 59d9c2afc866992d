"""What is in the lake appears whole, and never takes the place of something else."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_CLIENT = "lake/client.py"

MUTATIONS = (
    Mutation(
        name="length-after-a-lost-answer",
        file="lake/contents.py",
        inside="FileContents.flush",
        old="if length == 0 or not await self._has_length(path, length):",
        new="if length == 0:",
        tests=("contract/test_lake_guards.py::test_a_flush_that_is_refused_has_not_happened",),
    ),
    Mutation(
        name="renamed-over-another",
        file=_CLIENT,
        inside="LakehouseClient._renamed",
        old='target["match_condition"] = MatchConditions.IfMissing',
        new="pass",
        tests=(
            "contract/test_lake_guards.py::test_a_directory_is_published_over_nothing",
            "contract/test_lake.py::test_a_file_is_written_once",
        ),
    ),
    Mutation(
        name="other-content-counts-as-written",
        file=_CLIENT,
        inside="LakehouseClient._check_written",
        old="found.is_directory or found.length != len(data) or await self.read_all(path) != data",
        new="found.is_directory",
        tests=("contract/test_lake.py::test_a_file_is_written_once",),
    ),
    Mutation(
        name="small-file-is-not-read-back",
        file=_CLIENT,
        inside="LakehouseClient._check_intact",
        old="if await self.read_all(path) != data:",
        new="if False:",
        tests=("acceptance/test_main_job.py::test_a_manifest_that_is_damaged_in_the_lake_is_not_published",),
    ),
    Mutation(
        name="failed-file-is-committed",
        file="lake/files.py",
        inside="LakeSink.__exit__",
        old="self.abort()",
        new="pass",
        tests=("contract/test_lake_guards.py::test_a_file_whose_writer_failed_is_not_committed",),
    ),
    Mutation(
        name="gap-in-a-file-is-committed",
        file="lake/files.py",
        inside="LakeSink._await_block",
        old="self.abort()",
        new="pass",
        tests=("contract/test_lake.py::test_a_writer_that_does_not_heed_a_failure_commits_nothing",),
    ),
    Mutation(
        name="bytes-that-are-missing",
        file="lake/files.py",
        inside="LakeSource._arrived",
        old="if len(data) != wanted:",
        new="if False:",
        tests=("contract/test_lake.py::test_a_source_is_a_file", "contract/test_lake.py::test_damage_on_the_way_is_repaired"),
    ),
)
