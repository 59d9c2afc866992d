"""What becomes of a job whose run has failed."""

from __future__ import annotations

import pytest

from archival_core.errors import AwayError, LostConnectionError, PostponedError, TransientError
from archival_core.model.jobs import setback


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransientError("a file does not read back", code="read-back-differs"), "read-back-differs"),
        (PostponedError("others hold a lock", code="source-locked"), None),
        (AwayError("refused", code="source-unreachable", dependency="source"), None),
        (LostConnectionError("the server closed the connection", code="source-unreachable", dependency="source"), setback.LOST),
    ],
)
def test_a_job_is_to_blame_for_what_it_does_itself(error: TransientError, kind: str | None) -> None:
    assert setback.counted_as(error) == kind


@pytest.mark.parametrize(
    ("failures", "hopeless"),
    [
        ({}, False),
        ({"internal": 4}, False),
        ({"internal": 5}, True),
        ({"internal": 3, "read-back-differs": 2}, True),
        # kills are for the poison queue to judge: a ledger that was away looks like one
        ({"internal": 4, setback.INTERRUPTED: 9}, False),
        ({setback.LOST: 19, "internal": 4}, False),
        ({setback.LOST: 20}, True),
    ],
)
def test_a_job_that_has_failed_often_by_itself_is_given_up(failures: dict[str, int], hopeless: bool) -> None:
    assert setback.is_hopeless(failures) is hopeless


def test_each_postponement_in_a_row_is_longer() -> None:
    assert [setback.delay(10, times) for times in (1, 2, 3, 7, 100)] == [10, 20, 40, 600, 600]


def test_a_job_that_has_waited_for_weeks_waits_the_longest_time() -> None:
    assert setback.delay(30.0, 100_000) == setback.delay(30.0, 50) == 30.0 * 60
