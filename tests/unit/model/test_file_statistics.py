"""Bounds that hide no row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from archival_core.model.chunks.moment import DAY
from archival_core.model.lake.delta_log import TableColumn
from archival_core.model.lake.file_statistics import (
    Bounds,
    bound_text,
    bounded_columns,
    bounds_of,
    has_bounds,
    statistics_of,
    widest_bounds,
)
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


TIME, VALUE = TableColumn("time", UTC), TableColumn("value", "decimal128(10, 2)")
SAID: Bounds = ("1970-01-01T00:00:00.000000Z", "1970-01-02T00:00:00.000000Z", 0)


def part(least: int | str | None = 0, greatest: int | str | None = DAY, **bounds: Bounds) -> ManifestPart:
    return ManifestPart(
        file="part-00000.parquet", rows=3, bytes=1, sha256="", min_time=least, max_time=greatest, digests={}, bounds=bounds
    )


def said(found: ManifestPart, *columns: TableColumn, stored: tuple[str, ...] = ("time", "value")) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(statistics_of(found, columns, stored, "time"))
    return answer


def test_a_part_tells_its_rows_bounds_and_nulls() -> None:
    assert said(part(time=SAID, value=("-0.05", "1.50", 1)), TIME, VALUE) == {
        "numRecords": 3,
        "minValues": {"time": SAID[0], "value": -0.05},
        "maxValues": {"time": SAID[1], "value": 1.5},
        "nullCount": {"time": 0, "value": 1},
    }


def test_decimals_are_numbers_with_all_their_digits() -> None:
    assert '"value":0.00001' in statistics_of(part(value=("0.00001", "1", 0)), [VALUE], ["value"], "time")


def test_a_column_that_its_file_lacks_is_null() -> None:
    found = said(part(time=SAID), TIME, VALUE, stored=("time",))
    assert (found["minValues"], found["nullCount"]) == ({"time": SAID[0]}, {"time": 0, "value": 3})


def test_a_column_of_nulls_has_no_bounds_and_takes_none_from_others() -> None:
    found = said(part(time=SAID, value=(None, None, 3)), TIME, VALUE)
    assert (found["minValues"], found["nullCount"]) == ({"time": SAID[0]}, {"time": 0, "value": 3})


def test_a_file_has_bounds_of_every_column_or_of_none() -> None:
    assert said(part(time=SAID, value=(None, None, 1)), TIME, VALUE) == {"numRecords": 3, "nullCount": {"time": 0, "value": 1}}
    assert said(part(time=SAID), TIME, VALUE) == {"numRecords": 3, "nullCount": {"time": 0}}


def test_a_part_of_before_tells_its_rows_and_its_time() -> None:
    assert said(part(), TIME) == {"numRecords": 3, "minValues": {"time": SAID[0]}, "maxValues": {"time": SAID[1]}}
    assert said(part(0, "infinity"), TIME) == {"numRecords": 3}
    assert said(part(), TIME, VALUE) == {"numRecords": 3}


@pytest.mark.parametrize("form", ["double", "float", "bool", "binary", "decimal128(16, 2)", "list<element: int32>"])
def test_forms_without_bounds(form: str) -> None:
    assert not has_bounds(form)


def test_statistics_are_of_the_time_column_before_all_others() -> None:
    columns = [*(TableColumn(f"c{number}", "int32") for number in range(40)), TableColumn("größe", "int32"), TIME]
    found = bounded_columns(columns, "time")
    assert len(found) == 32 and "time" in found and "größe" not in found


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("abc", "abc"),
        ("x" * 32, "x" * 32),
        ("x" * 40, "x" * 32 + "\U0010ffff"),
        ("x" * 32 + "\U0010ffff" * 3 + "y", "x" * 32 + "\U0010ffff" * 4),
    ],
)
def test_a_text_is_bounded_by_its_beginning(text: str, end: str) -> None:
    least, greatest, nulls = bounds_of(text, text, "string", 0)
    assert (json.loads(f'"{least}"'), json.loads(f'"{greatest}"'), nulls) == (text[:32], end, 0)
    # the ledger keeps them, in whatever encoding it has
    assert f"{least}{greatest}".isascii()
    assert text[:32] <= text <= end


def test_a_corrected_column_has_the_bounds_of_its_form() -> None:
    assert widest_bounds("date32[day]", 1) == ("0001-01-01", "9999-12-31", 1)
    assert widest_bounds(UTC, 0) == ("0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", 0)
    assert widest_bounds("decimal128(4, 2)", 0) == ("-99.99", "99.99", 0)
    assert widest_bounds("decimal128(2, 2)", 0) == ("-0.99", "0.99", 0)
    assert widest_bounds("decimal128(3, 0)", 0) == ("-999", "999", 0)


def test_a_manifest_of_before_says_nothing_of_bounds() -> None:
    """Its hash is in the source's marks."""
    assert "bounds" not in part().model_dump_json()
    found = part(time=SAID, value=("-0.05", None, 1))
    assert ManifestPart.model_validate_json(found.model_dump_json()) == found
