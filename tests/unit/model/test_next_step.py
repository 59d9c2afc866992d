"""What happens next to a chunk, when, and why not sooner."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import Relation
from archival_core.model.insight.chunk_state import ChunkPlace, ChunkState
from archival_core.model.insight.next_step import Because, Rules, Step, next_step
from archival_core.model.jobs.job import Status

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Policy(Relation("public", "readings"), 30 * DAY, 60 * DAY)
RULES = Rules(NOW, DAY, drop_by_default=False)
SWITCHED_OFF = replace(RULES, policy=replace(POLICY, enabled=False))
WITH_POLICY = replace(RULES, policy=POLICY)


def chunk(state: ChunkPlace, **facts: Any) -> ChunkState:
    """One whose range ended on 1 October."""
    known: dict[str, Any] = {
        "chunk": "public.september",
        "range_start": "2026-09-01T00:00:00Z",
        "range_end": "2026-10-01T00:00:00Z",
        "in_database": state not in (ChunkPlace.REMOVED, ChunkPlace.RESTORING),
    }
    unknown = ("database_bytes", "rows_estimated", "rows", "source_bytes", "parquet_bytes", "lake_path", "job_id")
    return ChunkState(**{**dict.fromkeys(unknown), "finished_at": None, "error": None, **known, **facts}, state=state)


def archived(**facts: Any) -> ChunkState:
    return chunk(ChunkPlace.ARCHIVED, **{"finished_at": NOW - 2 * DAY, "job_status": Status.ARCHIVED, **facts})


FAILURE = {"code": "internal", "message": "a defect", "transient": True}
BLOCKED = {"code": "removal-blocked", "message": "view iot.v depends on it: drop it", "transient": False}
BESIDE = {"code": "sibling-not-archived", "message": "chunk b is not archived", "transient": True}
FOR_EVER = {"range_end": "infinity"}
ANCIENT = {"range_end": "0004-02-01T00:00:00Z BC"}


@pytest.mark.parametrize(
    ("state", "rules", "step", "because", "at"),
    [
        (chunk(ChunkPlace.IN_DATABASE), RULES, Step.NOTHING, Because.NO_POLICY, None),
        (
            chunk(ChunkPlace.IN_DATABASE),
            replace(RULES, policy=replace(POLICY, enabled=False)),
            Step.NOTHING,
            Because.POLICY_OFF,
            None,
        ),
        (
            chunk(ChunkPlace.IN_DATABASE),
            replace(RULES, policy=replace(POLICY, problem="no such table")),
            Step.NOTHING,
            Because.POLICY_PROBLEM,
            None,
        ),
        (chunk(ChunkPlace.IN_DATABASE), WITH_POLICY, Step.ARCHIVE, Because.DUE, None),
        (chunk(ChunkPlace.IN_DATABASE), replace(WITH_POLICY, paused=""), Step.ARCHIVE, Because.PAUSED, None),
        (
            chunk(ChunkPlace.IN_DATABASE, range_end="2026-11-10T00:00:00Z"),
            WITH_POLICY,
            Step.ARCHIVE,
            Because.NOT_DUE,
            datetime(2026, 12, 10, tzinfo=UTC),
        ),
        (chunk(ChunkPlace.IN_DATABASE, range_end=None), WITH_POLICY, Step.NOTHING, Because.NO_END, None),
        (chunk(ChunkPlace.IN_DATABASE, **FOR_EVER), WITH_POLICY, Step.NOTHING, Because.NO_END, None),
        (chunk(ChunkPlace.IN_DATABASE, range_end="100"), WITH_POLICY, Step.NOTHING, Because.NO_END, None),
        (chunk(ChunkPlace.IN_DATABASE, **ANCIENT), WITH_POLICY, Step.ARCHIVE, Because.DUE, None),
        (
            chunk(ChunkPlace.IN_DATABASE, job_status=Status.CANCELLED, error=FAILURE),
            WITH_POLICY,
            Step.NOTHING,
            Because.CANCELLED,
            None,
        ),
        (chunk(ChunkPlace.QUEUED), RULES, Step.ARCHIVE, Because.QUEUED, None),
        (chunk(ChunkPlace.QUEUED, error=FAILURE), RULES, Step.ARCHIVE, Because.WAITING, None),
        (chunk(ChunkPlace.RUNNING), RULES, Step.ARCHIVE, Because.RUNNING, None),
        (chunk(ChunkPlace.FAILED, error=FAILURE), RULES, Step.NOTHING, Because.FAILED, None),
        (chunk(ChunkPlace.FAILED, error=FAILURE, dismissed="known"), RULES, Step.NOTHING, Because.DISMISSED, None),
        (chunk(ChunkPlace.REMOVED), RULES, Step.NOTHING, Because.REMOVED, None),
        (chunk(ChunkPlace.RESTORING), RULES, Step.RESTORE, Because.RESTORING, None),
        # the request decides before the policy, the policy before the default
        (archived(), RULES, Step.NOTHING, Because.KEPT_BY_DEFAULT, None),
        (archived(remove=False), replace(RULES, drop_by_default=True), Step.NOTHING, Because.KEPT_BY_REQUEST, None),
        (archived(), replace(RULES, policy=replace(POLICY, remove_after=None)), Step.NOTHING, Because.KEPT_BY_POLICY, None),
        (archived(), SWITCHED_OFF, Step.NOTHING, Because.POLICY_OFF, None),
        (archived(restored_at=NOW, remove=True), RULES, Step.NOTHING, Because.RESTORED, None),
        (archived(remove=True), RULES, Step.REMOVE, Because.DUE, None),
        (archived(), replace(RULES, drop_by_default=True), Step.REMOVE, Because.DUE, None),
        (
            archived(remove=True, finished_at=NOW - timedelta(hours=1)),
            RULES,
            Step.REMOVE,
            Because.GRACE,
            NOW + timedelta(hours=23),
        ),
        (archived(), WITH_POLICY, Step.REMOVE, Because.NOT_DUE, datetime(2026, 11, 30, tzinfo=UTC)),
        (
            archived(finished_at=NOW),
            replace(WITH_POLICY, grace=3 * DAY),
            Step.REMOVE,
            Because.GRACE,
            NOW + 3 * DAY,
        ),
        (archived(**FOR_EVER), WITH_POLICY, Step.NOTHING, Because.NO_END, None),
        (
            archived(remove=True, removal_error=BLOCKED, removal_tried_at=NOW - timedelta(minutes=2)),
            RULES,
            Step.REMOVE,
            Because.REFUSED,
            NOW + timedelta(minutes=3),
        ),
        (
            archived(remove=True, removal_error=BESIDE, removal_tried_at=NOW - timedelta(minutes=2)),
            RULES,
            Step.REMOVE,
            Because.SIBLINGS,
            None,
        ),
        # a refusal of before says nothing about a chunk that is not to go any more
        (archived(remove=False, removal_error=BLOCKED), RULES, Step.NOTHING, Because.KEPT_BY_REQUEST, None),
    ],
)
def test_each_state(state: ChunkState, rules: Rules, step: Step, because: Because, at: datetime | None) -> None:
    found = next_step(state, rules)
    assert (found.step, found.because, found.at) == (step, because, at)
    assert found.text and not found.text.endswith(".")


def test_the_sentences_say_when_and_what_stands_in_the_way() -> None:
    leaving = next_step(archived(remove=True, finished_at=NOW - timedelta(hours=22, minutes=34)), RULES)
    assert leaving.text == "leaves the database on 2026-11-28 13:26 UTC, when the grace is over"
    blocked = next_step(archived(remove=True, removal_error=BLOCKED, removal_tried_at=NOW), RULES)
    assert "view iot.v depends on it: drop it; it is tried again on 2026-11-28 12:05 UTC" in blocked.text
    assert blocked.code == "removal-blocked"
    young = next_step(chunk(ChunkPlace.IN_DATABASE, range_end="2026-11-27T00:00:00Z"), WITH_POLICY)
    assert young.text == "is archived on 2026-12-27 00:00 UTC, when it is 30 days old"
    paused = next_step(chunk(ChunkPlace.IN_DATABASE), replace(WITH_POLICY, paused="an upgrade"))
    assert paused.text == "is due since 2026-10-31 00:00 UTC, and the intake is paused (an upgrade)"


def sibling(name: str, state: ChunkPlace = ChunkPlace.IN_DATABASE, **facts: Any) -> ChunkState:
    return chunk(state, **{"chunk": name, **facts})


def test_siblings_that_are_not_archived_are_named_before_anything_was_refused() -> None:
    beside = [sibling("_timescaledb_internal._hyper_1_2_chunk")]
    found = next_step(archived(remove=True), RULES, siblings=beside)
    assert (found.because, found.code) == (Because.SIBLINGS, "sibling-not-archived")
    assert found.siblings == ("_timescaledb_internal._hyper_1_2_chunk",)
    assert "_hyper_1_2_chunk" in found.text
    # the grace comes first
    assert next_step(archived(remove=True, finished_at=NOW), RULES, siblings=beside).because is Because.GRACE


def test_what_becomes_of_each_sibling_is_said_and_when_the_chunk_leaves_after_them() -> None:
    waits = [sibling("a.b", ChunkPlace.QUEUED), sibling("a.c", ChunkPlace.RUNNING)]
    # a refusal of before is told by what is true now
    found = next_step(archived(remove=True, removal_error=BESIDE, removal_tried_at=NOW), RULES, waits)
    assert found.text == (
        "waits for its 2 siblings of the same range: a.b, which is queued; a.c, which is being archived now;"
        " leaves the database in the minutes after that"
    )
    assert found.at is None
    failed = next_step(archived(remove=True), RULES, [sibling("a.b", ChunkPlace.FAILED, error=FAILURE)])
    assert failed.text == (
        "waits for its sibling of the same range: a.b, which failed (internal) and is not tried again by itself"
    )
    asked = next_step(archived(remove=True), RULES, [sibling("a.b")])
    assert asked.text.endswith("a.b, which nobody archives by itself (no-policy)")
    many = next_step(archived(remove=True), RULES, [sibling(f"a.c{number}", ChunkPlace.QUEUED) for number in range(8)])
    assert "a.c4, which is queued; 3 more;" in many.text
    assert len(many.siblings) == 8


def test_a_chunk_whose_siblings_have_a_date_leaves_after_the_last_of_them() -> None:
    rules = replace(WITH_POLICY, policy=replace(POLICY, archive_after=80 * DAY))
    found = next_step(archived(remove=True), rules, [sibling("a.b"), sibling("a.c")])
    assert found.at == datetime(2026, 12, 20, tzinfo=UTC)
    assert "a.b, which is archived on 2026-12-20 00:00 UTC" in found.text


def test_another_refusal_comes_before_siblings() -> None:
    found = next_step(archived(remove=True, removal_error=BLOCKED, removal_tried_at=NOW), RULES, [sibling("a.b")])
    assert found.because is Because.REFUSED
