"""What the chunks of a hypertable wait for, in groups: an error that holds some up is not told for others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from archival_core.flows.insight.outlook import ExpectedChunk, reasons
from archival_core.model.insight.chunk_state import ChunkPlace, ChunkState
from archival_core.model.insight.next_step import Because, NextStep, Step

_FIELDS = ("range_start", "range_end", "rows_estimated", "rows", "source_bytes", "parquet_bytes", "lake_path", "job_id")


def expected(
    name: str, because: Because, code: str | None = None, at: datetime | None = None, step: Step = Step.REMOVE
) -> ExpectedChunk:
    known: dict[str, Any] = {"chunk": name, "state": ChunkPlace.ARCHIVED, "in_database": True, "database_bytes": 10}
    state = ChunkState(**{**dict.fromkeys(_FIELDS), "finished_at": None, "error": None, **known})
    return ExpectedChunk(state, NextStep(step, because, f"because of {code}", at, code))


def test_chunks_are_told_apart_by_the_code_that_holds_them_up() -> None:
    soon, later = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)
    found = reasons(
        [
            expected("a", Because.REFUSED, "removal-blocked", later),
            expected("b", Because.REFUSED, "continuous-aggregate"),
            expected("c", Because.REFUSED, "removal-blocked", soon),
            expected("d", Because.GRACE, None, soon),
            expected("e", Because.GRACE, None, soon),
            expected("f", Because.GRACE, None, soon),
        ]
    )
    told = [(one.because, one.example.next.code, one.chunks, one.bytes, one.first_at) for one in found]
    assert told == [
        (Because.GRACE, None, 3, 30, soon),
        (Because.REFUSED, "removal-blocked", 2, 20, soon),
        (Because.REFUSED, "continuous-aggregate", 1, 10, None),
    ]
    assert found[1].example.state.chunk == "c"


def test_chunks_that_are_to_be_archived_are_told_apart_from_chunks_that_are_to_leave() -> None:
    soon, later = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)
    found = reasons(
        [
            expected("a", Because.NOT_DUE, None, soon),
            expected("b", Because.NOT_DUE, None, later, Step.ARCHIVE),
            expected("c", Because.NOT_DUE, None, later),
        ]
    )
    told = [(one.step, one.chunks, one.first_at, one.example.state.chunk) for one in found]
    assert told == [(Step.REMOVE, 2, soon, "a"), (Step.ARCHIVE, 1, later, "b")]
