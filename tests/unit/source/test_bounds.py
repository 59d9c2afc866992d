"""Bounds are text: RFC 3339 in UTC, or digits."""

import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.catalog.partitioning.bounds import check_bound, check_time_type, rfc3339


@pytest.mark.parametrize(
    ("postgres", "expected"),
    [
        ("2026-01-01 00:00:00+00", "2026-01-01T00:00:00Z"),
        ("2026-01-01 00:00:00.00025+00", "2026-01-01T00:00:00.00025Z"),
        ("2026-01-01 12:30:00", "2026-01-01T12:30:00Z"),
        ("2026-01-01", "2026-01-01T00:00:00Z"),
        ("12026-01-01 00:00:00+00", "12026-01-01T00:00:00Z"),
        ("0044-03-15 00:00:00+00 BC", "0044-03-15T00:00:00Z BC"),
        ("-infinity", "-infinity"),
        (None, None),
    ],
)
def test_rfc3339(postgres: str | None, expected: str | None) -> None:
    assert rfc3339(postgres) == expected


@pytest.mark.parametrize("text", ["2026-01-01 00:00:00+02", "01/02/2026", ""])
def test_a_time_in_another_form_is_a_defect(text: str) -> None:
    with pytest.raises(ValueError, match="not a PostgreSQL timestamp"):
        rfc3339(text)


@pytest.mark.parametrize("bound", ["2026-01-01T00:00:00Z", "2026-01-01t00:00:00.123456+05:30"])
def test_rfc3339_bounds_are_taken(bound: str) -> None:
    assert check_bound(bound, "timestamp with time zone") == bound


@pytest.mark.parametrize(
    ("bound", "time_type", "expected"),
    [
        (5, "date", "RFC 3339"),
        ("now", "date", "RFC 3339"),
        ("2026-01-01", "date", "RFC 3339"),
        ("2026-13-01T00:00:00Z", "date", "RFC 3339"),
        ("2026-01-01T00:00:00", "timestamp without time zone", "RFC 3339"),
        ("2026-01-01T00:00:00Z", "bigint", "integer"),
        (True, "bigint", "integer"),
        (2**63, "bigint", "integer"),
    ],
)
def test_a_wrong_bound_says_which_kind_is_expected(bound: str | int, time_type: str, expected: str) -> None:
    with pytest.raises(PermanentError, match=expected) as caught:
        check_bound(bound, time_type)
    assert caught.value.code == "wrong-bound"


def test_other_time_types_are_refused() -> None:
    with pytest.raises(PermanentError, match="'t' of type text") as caught:
        check_time_type(Relation("s", "h"), "t", "text")
    assert caught.value.code == "unsupported-time-type"
