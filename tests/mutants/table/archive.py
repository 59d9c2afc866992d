"""A chunk's rows are copied from one snapshot, read back, compared, and published once."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_MAIN = "acceptance/test_main_job.py"
_PARTS = "acceptance/test_parts.py"
_ARCHIVER = "flows/archive/chunk_archiver.py"

MUTATIONS = (
    Mutation(
        name="digest-of-any-number-of-rows",
        file="codec/digest.py",
        inside="ColumnDigest.update",
        old="self._add_values(array)",
        new="pass",
        tests=("unit/codec/test_digest.py::test_any_difference_shows",),
    ),
    Mutation(
        name="sha-of-a-file-is-not-compared",
        file="flows/archive/archive_check.py",
        old="and await sha256(lake, path, part.bytes) != part.sha256",
        new="and False",
        tests=("acceptance/test_removal.py::test_a_damaged_archive_keeps_its_chunk",),
    ),
    Mutation(
        name="length-of-a-file-is-not-compared",
        file="flows/archive/archive_check.py",
        old="if found.length != length:",
        new="if False:",
        tests=("acceptance/test_verification.py::test_each_damage_is_found_recorded_and_told",),
    ),
    Mutation(
        name="manifest-in-the-lake-is-not-compared",
        file="flows/archive/archive_check.py",
        old="return None if found == manifest else",
        new="return None if True else",
        tests=("acceptance/test_publication.py::test_a_manifest_that_was_altered_keeps_the_chunk",),
    ),
    Mutation(
        name="published-without-a-look-at-staging",
        file=_ARCHIVER,
        old="await self._staging.check_complete(staging, manifest)",
        new="pass",
        tests=("acceptance/test_publication.py::test_a_file_that_the_job_has_not_written_is_not_published",),
    ),
    Mutation(
        name="published-after-the-lease",
        file="flows/archive/chunk_archiver.py",
        old="await self._ledger.declare(job, manifest.sha256())",
        new="pass",
        tests=("acceptance/test_publication.py::test_a_job_that_is_cancelled_at_the_last_moment_publishes_nothing",),
    ),
    Mutation(
        name="own-manifest-instead-of-what-was-published",
        file=_ARCHIVER,
        inside="ChunkArchiver._publish",
        old="published = await self._own(job, manifest.lake_path, declared)",
        new="published = manifest",
        tests=("acceptance/test_publication.py::test_what_another_attempt_has_published_is_the_archive",),
    ),
    Mutation(
        name="what-was-not-declared-is-taken-over",
        file="flows/archive/chunk_archiver.py",
        inside="ChunkArchiver._own",
        old="if hashlib.sha256(content).hexdigest() not in declared:",
        new="if False:",
        guard="HASH",
        tests=("acceptance/test_publication.py::test_what_a_worker_finds_in_its_place_is_not_its_own",),
    ),
    Mutation(
        name="parts-of-a-history-that-was-put-back-are-taken-over",
        file="flows/archive/chunk_archiver.py",
        inside="ChunkArchiver._still_is",
        old="if not await history.stands_on(",
        new="if False and not await history.stands_on(",
        guard="RESUME",
        tests=("acceptance/test_history.py::test_disks_put_back_between_two_parts",),
    ),
    Mutation(
        name="manifest-before-the-publication",
        file=_ARCHIVER,
        inside="ChunkArchiver.archive",
        old='with telemetry.step("archive.publish"',
        new="await self._lake.write_once(paths.archive_manifest(manifest.lake_path), manifest.to_json())\n"
        '            with telemetry.step("archive.publish"',
        tests=(
            "acceptance/test_publication.py::test_nothing_is_put_aside_or_announced_before_what_takes_its_place_is_published",
        ),
    ),
    Mutation(
        name="parts-of-a-changed-chunk-are-taken-over",
        file=_ARCHIVER,
        old="if not await is_unchanged(",
        new="if await is_unchanged(",
        guard="RESUME",
        tests=("acceptance/test_parts.py::test_a_chunk_that_has_changed_is_read_again",),
    ),
    Mutation(
        name="read-back-is-not-compared",
        file="flows/archive/part_archiver.py",
        inside="_check_equal",
        old="if read != written:",
        new="if False:",
        tests=("acceptance/test_publication.py::test_an_encoder_that_changes_a_value_is_found_out",),
    ),
    Mutation(
        name="bytes-are-not-compared",
        file="flows/archive/part_archiver.py",
        inside="_check_bytes",
        old="if source.sha256() != written:",
        new="if False:",
        tests=("acceptance/test_main_job.py::test_a_bit_that_no_reader_looks_at_is_found_too",),
    ),
    Mutation(
        name="parts-of-other-columns-are-taken-over",
        file="flows/archive/reading.py",
        inside="Reading.continues",
        old="and progress.columns == self._column_types\n",
        new="",
        guard="RESUME",
        tests=("acceptance/test_parts.py::test_a_chunk_that_has_changed_is_read_again",),
    ),
    Mutation(
        name="copy-is-not-counted",
        file="flows/archive/reading.py",
        inside="Reading.check_total",
        old="if copied != counted:",
        new="if False:",
        tests=("acceptance/test_parts.py::test_parts_that_are_not_what_the_database_counted",),
    ),
    Mutation(
        name="chunk-altered-between-look-and-snapshot",
        file="flows/archive/reading.py",
        inside="Reading.begin",
        old="if chunk != described.chunk or await tables.tables_of(connection, chunk) != described.tables:",
        new="if False:",
        tests=("acceptance/test_publication.py::test_a_table_swapped_between_look_and_snapshot_is_not_mixed_up",),
    ),
    Mutation(
        name="staging-with-another-length",
        file="flows/archive/staging.py",
        inside="Staging.check_complete",
        old="part.bytes for",
        new="0 for",
        tests=("acceptance/test_parts.py::test_parts_together_are_the_chunk",),
    ),
    Mutation(
        name="staging-of-a-later-attempt-is-cleared",
        file="flows/archive/staging.py",
        inside="Staging.clear",
        old="<= job.attempt",
        new=">= 0",
        tests=("acceptance/test_publication.py::test_what_a_later_attempt_has_in_staging_is_left_alone",),
    ),
    Mutation(
        name="parts-that-are-lost-are-taken-over",
        file="flows/archive/staging.py",
        inside="Staging.take_over",
        old='lengths.get(f"{folder}/{part.file}") == part.bytes',
        new="True",
        tests=(
            "acceptance/test_parts.py::test_an_interrupted_archive_goes_on",
            "acceptance/test_parts.py::test_a_lost_staging_folder_is_read_again",
        ),
    ),
    Mutation(
        name="another-owner-archives",
        file="flows/jobs/ownership.py",
        inside="Ownership.check",
        old="if owner is not None and owner != own:",
        new="if False:",
        guard="OWNER",
        tests=("acceptance/test_history.py::test_a_copy_beside_the_original_is_refused",),
    ),
)
