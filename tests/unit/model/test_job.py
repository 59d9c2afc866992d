"""The life of a job, its message and its place in the lake."""

import re
from uuid import UUID

import pytest

from archival_core.errors import PermanentError
from archival_core.lake import paths
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import LIVE, TRANSITIONS, Status
from archival_core.model.jobs.message import JobMessage

JOB = UUID("00000000-0000-0000-0000-00000000002a")


def test_every_status_has_a_row_and_a_removed_chunk_comes_back_only_by_a_restore() -> None:
    assert set(TRANSITIONS) == set(Status)
    assert TRANSITIONS[Status.REMOVED] == {Status.ARCHIVED, Status.SUPERSEDED}
    # all but the first: a mark in the source says so, whatever the ledger says
    assert {source for source, targets in TRANSITIONS.items() if Status.REMOVED in targets} == {
        Status.ARCHIVED,
        Status.QUEUED,
        Status.RUNNING,
        Status.FAILED,
        Status.CANCELLED,
        Status.SUPERSEDED,
        Status.SKIPPED,
    }
    assert all(Status.QUEUED not in TRANSITIONS[end] for end in (Status.ARCHIVED, Status.REMOVED))
    assert {Status.QUEUED, Status.RUNNING} == LIVE


def test_a_message_comes_back() -> None:
    message = JobMessage(JOB, "00-a-b-01")
    assert JobMessage.from_json(message.to_json()) == message


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"v":2,"job_id":"x"}', '{"v":1}', '{"v":1,"job_id":7}', '{"v":1,"job_id":"x"}']
)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="not a job message"):
        JobMessage.from_json(text)


def test_no_name_climbs_out_of_its_folder() -> None:
    evil = Relation("..", "../../etc/passwd")
    assert paths.archive_folder(evil, evil, 0) == (
        "tables/~2E~2E.~2E~2E~2F~2E~2E~2Fetc~2Fpasswd/~2E~2E.~2E~2E~2F~2E~2E~2Fetc~2Fpasswd_r0"
    )


def test_plain_names_stay_readable() -> None:
    table, chunk = Relation("public", "conditions"), Relation("_timescaledb_internal", "_hyper_1_1_chunk")
    archive = paths.archive_folder(table, chunk, 2)
    assert archive == "tables/public.conditions/hyper_1_1_chunk_r2"
    assert paths.archive_manifest(archive) == "manifests/public.conditions/hyper_1_1_chunk_r2.json"
    folder = paths.staging_folder(JOB, 3, UUID("0123456789ab4cdef0123456789abcde"[:32]))
    assert folder == f"staging/{JOB}/3-0123456789ab"
    assert paths.staging_attempt(folder) == 3


def test_no_two_names_share_a_folder_and_none_needs_a_percent_sign() -> None:
    names = ["a b", "a~20b", "a%20b", "a~7E20b", "a.b", "größe", "Größe", "😀", "a~", "a", "_a", "~5Fa"]
    folders = [paths.archive_folder(Relation("public", name), Relation("public", name), 0) for name in names]
    assert len({folder.split("/")[1] for folder in folders}) == len({folder.split("/")[2] for folder in folders}) == len(names)
    assert all(re.fullmatch(r"tables/[\w~.-]+/[\w~.-]+", folder, re.ASCII) for folder in folders)


def test_no_folder_looks_hidden_to_readers() -> None:
    hidden = Relation("_private", "_readings")
    for chunk in (hidden, Relation("public", "_jan"), Relation("_timescaledb_internal", "__odd"), Relation("p", ".dot")):
        assert not any(part.startswith(("_", ".")) for part in paths.archive_folder(hidden, chunk, 0).split("/")), chunk
