"""Bounds of time as numbers."""

from __future__ import annotations

import pytest

from archival_core.model.chunks.moment import DAY, INFINITE_DAYS, INFINITE_MICROSECONDS, moment, named


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None),
        ("-17", -17),
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-23T20:40:01.5Z", 1_795_466_401_500_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("294276-12-31T23:59:59.999999Z", 9_224_318_015_999_999_999),
        ("4714-11-24T00:00:00Z BC", -210_866_803_200_000_000),
        ("018bcfe5-6800-7000-8000-000000000000", "018bcfe5-6800-7000-8000-000000000000"),
    ],
)
def test_a_bound_in_text_has_the_value_that_arrow_holds(text: str | None, value: int | str | None) -> None:
    assert moment(text) == value


def test_the_infinities_have_names() -> None:
    assert [named(INFINITE_MICROSECONDS), named(-INFINITE_DAYS * DAY), named(5), named(None)] == [
        "infinity",
        "-infinity",
        5,
        None,
    ]
