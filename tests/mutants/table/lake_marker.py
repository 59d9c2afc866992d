"""A lake may go back, and many things may be asked for at once."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

MUTATIONS = (
    Mutation(
        name="marker-is-older-than-the-archive",
        file="flows/removal/lake_marker.py",
        inside="LakeMarker.check",
        old="if not covered or time.monotonic()",
        new="if time.monotonic()",
        tests=("acceptance/test_lake_back.py::test_a_marker_is_written_when_it_is_old_and_before_a_chunk_goes",),
    ),
    Mutation(
        name="what-is-done-since-is-done-again",
        file="ledger/sql/jobs/bulk.sql",
        inside="retry_jobs",
        old="and not judged.is_done",
        new="",
        tests=("acceptance/test_bulk.py::test_a_retry_passes_over_what_is_live_or_done_since",),
    ),
)
