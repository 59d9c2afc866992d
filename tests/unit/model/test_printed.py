"""Dates and times as PostgreSQL prints them; `tests/contract/test_exact_values.py` asks PostgreSQL."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archival_core.model.chunks.moment import DAY, FIRST_DAY, FIRST_MICROSECOND, LAST_DAY, LAST_MICROSECOND
from archival_core.model.chunks.printed import printed_array, printed_date, printed_time, read_moment


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (0, "1970-01-01"),
        (FIRST_DAY, "0001-01-01"),
        (LAST_DAY, "9999-12-31"),
        (FIRST_DAY - 1, "0001-12-31 BC"),
        (LAST_DAY + 1, "10000-01-01"),
        (-2_440_588, "4714-11-24 BC"),
        (2_145_042_905, "5874897-12-31"),
    ],
)
def test_dates(days: int, text: str) -> None:
    assert printed_date(days) == text
    assert read_moment(text) == days * DAY


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (1, "1970-01-01 00:00:00.000001+00"),
        (-1, "1969-12-31 23:59:59.999999+00"),
        (LAST_MICROSECOND, "9999-12-31 23:59:59.999999+00"),
        (FIRST_MICROSECOND - 500_000, "0001-12-31 23:59:59.5+00 BC"),
    ],
)
def test_times(microseconds: int, text: str) -> None:
    assert printed_time(microseconds, has_zone=True) == text
    assert printed_time(microseconds, has_zone=False) == text.replace("+00", "")
    assert read_moment(text) == read_moment(text.replace("+00", "")) == microseconds


@given(st.integers(-211_813_488_000_000_000, 9_224_318_015_999_999_999))
def test_all_times_come_back(microseconds: int) -> None:
    assert read_moment(printed_time(microseconds, has_zone=True)) == microseconds


def test_infinities_are_beyond_all() -> None:
    assert read_moment("-infinity") == -math.inf < read_moment("4714-11-24 BC")
    assert read_moment("294276-12-31 23:59:59.999999") < read_moment("infinity")


@pytest.mark.parametrize("text", ["", "NaN", "2026", "2026-01-01 1", "2026-01-01T00:00:00"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        read_moment(text)


def test_arrays() -> None:
    assert printed_array(["1.50", None, "NaN"]) == "{1.50,NULL,NaN}"
    assert printed_array(["2026-01-31 12:00:00+00", "infinity", "0044-03-15 BC"]) == (
        '{"2026-01-31 12:00:00+00",infinity,"0044-03-15 BC"}'
    )
    assert printed_array([]) == "{}"
