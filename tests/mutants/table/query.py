"""A question sees each row once, from one snapshot."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_COPIES = "source/state/marks/copies.py"
_MOMENT = "source/state/snapshot/moment.py"

MUTATIONS = (
    Mutation(
        name="marks-of-another-moment-than-the-rows",
        file=_MOMENT,
        inside="Moment._begin",
        old="self.standing = await standing(conn)",
        new="self.standing = await standing(self._beside)",
        tests=("acceptance/test_query_marks.py::test_marks_and_rows_are_of_one_snapshot",),
        guard="BYMARK",
    ),
    Mutation(
        name="restored-archives-are-counted",
        file=_MOMENT,
        old="WHERE kind IN ('removed', 'dropped by others')",
        new="WHERE kind <> 'forgotten'",
        tests=("acceptance/test_query.py::test_each_row_is_there_once_before_and_after_its_chunk_went_and_came_back",),
        guard="BYMARK",
    ),
    Mutation(
        name="copy-that-is-attached-is-read-twice",
        file="query/archives/archives.py",
        inside="Archives.of",
        old="if mark.lake_path not in table.copies.whole",
        new="if True",
        tests=("acceptance/test_query_attached.py::test_several_archives_in_one_copy",),
    ),
    Mutation(
        name="copy-that-is-emptied-hides-its-archive",
        file=_COPIES,
        old="bool_and(m.oid IS NOT NULL AND m.file = c.file)",
        new="bool_and(m.oid IS NOT NULL)",
        tests=("acceptance/test_query_attached.py::test_a_copy_that_was_emptied_hides_nothing",),
    ),
    Mutation(
        name="part-of-a-copy-hides-its-archive",
        file=_COPIES,
        old="SELECT c.lake_path, pg_catalog.bool_and(",
        new="SELECT c.lake_path, pg_catalog.bool_or(",
        tests=("acceptance/test_query_attached.py::test_a_copy_that_is_attached_only_in_part_is_in_doubt",),
    ),
    Mutation(
        name="copy-is-known-by-its-oid-alone",
        file=_COPIES,
        old="ON m.oid = c.oid AND m.born = c.born",
        new="ON m.oid = c.oid",
        tests=("acceptance/test_query_attached.py::test_the_number_of_a_copy_that_is_another_table_s_by_now",),
    ),
    Mutation(
        name="labels-that-were-renamed-are-those-of-before",
        file="query/archives/archive.py",
        inside="Archive.relabelled",
        old="if not others:",
        new="if True:",
        tests=("acceptance/test_query_retyped.py::test_labels_of_an_enum_that_were_renamed",),
    ),
    Mutation(
        name="corrected-values-are-read-as-they-lie-in-the-file",
        file="query/engine/own_reader.py",
        inside="by_own_reader",
        old="[file for file in archive.files if not file.corrected]",
        new="list(archive.files)",
        tests=("acceptance/test_query_own_reader.py::test_the_rows_are_those_that_postgresql_has",),
    ),
    Mutation(
        name="joins-by-time-open-every-file",
        file="query/engine/own_reader.py",
        inside="by_own_reader",
        old="(is_joined_by_time and len(archives) > 1)",
        new="False",
        tests=("acceptance/test_query_own_reader.py::test_no_other_file_is_opened",),
    ),
    Mutation(
        name="files-are-chosen-for-one-reading-of-several",
        file="query/engine/readings.py",
        inside="readings",
        old="any_of([one.condition for one in each])",
        new="each[0].condition",
        tests=("unit/query/test_readings.py::test_a_table_that_is_read_twice_needs_the_rows_of_either_reading",),
    ),
    Mutation(
        name="a-file-whose-last-row-is-needed-stays-closed",
        file="query/scans/pruning.py",
        old="file.max_time >= low",
        new="file.max_time > low",
        tests=("unit/query/test_question_files.py::test_the_range_of_a_file_decides",),
    ),
    Mutation(
        name="every-file-is-open-to-a-question",
        file="query/engine/sandbox.py",
        old='"allowed_directories": f"[\'{self._files.folder}\']"',
        new="\"allowed_directories\": f\"['{self._files.folder}', '/']\"",
        tests=("acceptance/test_query_hostile.py::test_the_sandbox_alone_would_refuse_too",),
    ),
    Mutation(
        name="texts-that-postgresql-finds-equal-are-equal",
        file="query/scans/filters.py",
        inside="is_exact",
        old=" if not isinstance(value, str)",
        new="",
        tests=("unit/query/test_filters.py::test_filters_that_let_more_rows_through_there",),
    ),
    Mutation(
        name="values-of-any-size-are-in-memory-three-times",
        file="query/scans/question_files.py",
        old="if wanted > _LARGEST_PIECE:",
        new="if False:",
        tests=("acceptance/test_query_own_reader.py::test_values_that_are_too_large_for_it_are_read_by_the_other_reader",),
    ),
)
