"""Times and ages as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archival_cli.times import AGE, AGE_OR_NEVER, BOUND, MOMENT, age, bound


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("90d", "P90D"),
        ("90 days", "P90D"),
        ("1 day", "P1D"),
        ("P90D", "P90D"),
        ("P1W", "P7D"),
        ("2w", "P14D"),
        ("3 months", "P90D"),
        ("1 year", "P365D"),
        ("12h", "PT43200S"),
        ("36 hours", "P1DT43200S"),
        ("90 min", "PT5400S"),
        ("1.5 days", "P1DT43200S"),
        ("P1DT12H", "P1DT43200S"),
        ("PT0S", "P0D"),
    ],
)
def test_an_age_becomes_iso_8601(text: str, iso: str) -> None:
    assert AGE.convert(text, None, None) == iso


@pytest.mark.parametrize("text", ["90", "", "P", "PT", "d", "-1 day", "90 fortnights", "soon", "9" * 400 + " days", "never"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no age"):
        AGE.convert(text, None, None)


def test_never_is_an_age_of_removals() -> None:
    assert AGE_OR_NEVER.convert("never", None, None) == "never"
    assert AGE_OR_NEVER.convert("9 days", None, None) == "P9D"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-06", "2026-01-06T00:00:00Z"),
        ("2026-01-06 12:30", "2026-01-06T12:30:00Z"),
        ("2026-01-06 12:30Z", "2026-01-06T12:30:00Z"),
        ("2026-01-06T12:30:00+02:00", "2026-01-06T10:30:00Z"),
        ("1234", 1234),
        ("-5", -5),
    ],
)
def test_a_time_is_in_utc_unless_it_says_otherwise(text: str, meant: str | int) -> None:
    assert BOUND.convert(text, None, None) == meant
    assert BOUND.convert(meant, None, None) == meant


def test_an_age_as_a_time_counts_back_from_now() -> None:
    found = datetime.fromisoformat(str(BOUND.convert("30d", None, None)))
    assert abs(datetime.now(UTC) - timedelta(days=30) - found) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00", "jan", "9999999 years"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        BOUND.convert(text, None, None)


def test_integers_are_no_moments() -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        MOMENT.convert("1234", None, None)


@given(st.text(max_size=30))
def test_whatever_is_written_is_understood_or_refused(text: str) -> None:
    age(text)
    bound(text)
