"""Bounds that hide no row."""

from __future__ import annotations

import json

import pytest

from archival_core.model.chunks.moment import DAY
from archival_core.model.lake.file_statistics import bound_text, statistics_of
from archival_core.model.lake.manifest import ManifestPart

UTC, NAIVE, DATE = "timestamp[us, tz=UTC]", "timestamp[us]", "date32[day]"


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (0, UTC, "1970-01-01T00:00:00.000000Z"),
        (-1, UTC, "1969-12-31T23:59:59.999999Z"),
        (1, NAIVE, "1970-01-01T00:00:00.000001"),
        (-62_135_596_800_000_000, UTC, "0001-01-01T00:00:00.000000Z"),
        (-62_135_596_800_000_001, UTC, None),
        (253_402_300_799_999_999, UTC, "9999-12-31T23:59:59.999999Z"),
        (253_402_300_800_000_000, UTC, None),
        (DAY, DATE, "1970-01-02"),
        (42, "int64", 42),
        ("infinity", UTC, None),
        (None, UTC, None),
        (1, "string", None),
        (1, None, None),
    ],
)
def test_bounds(value: int | str | None, form: str | None, expected: int | str | None) -> None:
    assert bound_text(value, form) == expected


def part(least: int | str | None, greatest: int | str | None) -> ManifestPart:
    return ManifestPart(file="part-00000.parquet", rows=3, bytes=1, sha256="", min_time=least, max_time=greatest, digests={})


def test_a_part_tells_its_rows_and_its_time() -> None:
    assert json.loads(statistics_of(part(0, DAY), "time", UTC)) == {
        "numRecords": 3,
        "minValues": {"time": "1970-01-01T00:00:00.000000Z"},
        "maxValues": {"time": "1970-01-02T00:00:00.000000Z"},
    }


def test_with_one_bound_out_of_reach_there_is_none() -> None:
    assert json.loads(statistics_of(part(0, "infinity"), "time", UTC)) == {"numRecords": 3}
