"""Bounds for the log of a table, from the footers of its files."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from archival_core.codec import parquet
from archival_core.codec.layout import Layout, Profile
from archival_core.codec.traits import FileTraits
from archival_core.model.lake.file_statistics import Bounds
from archival_core.model.lake.lake_column import text_of

SCHEMA = pa.schema(
    [
        ("t", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
        ("price", pa.decimal128(10, 2)),
        ("wide", pa.decimal128(30, 2)),
        ("text", pa.string()),
        ("small", pa.int16()),
        ("v", pa.float64()),
        ("items", pa.list_(pa.int32())),
    ]
)
ROW: dict[str, Any] = {
    "t": datetime(2026, 1, 1, tzinfo=UTC),
    "day": date(1969, 12, 31),
    "price": Decimal("-0.05"),
    "wide": Decimal(1),
    "text": "b",
    "small": -3,
    "v": 1.0,
    "items": [1],
}


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROW_GROUP_ROWS", 1)


def bounds(*rows: dict[str, Any], profile: Profile = "fast", exact: str | None = None) -> dict[str, Bounds]:
    """Of a file with a row group for each row."""
    batches = [pa.RecordBatch.from_pylist([ROW | row], schema=SCHEMA) for row in rows]
    if exact is not None:
        batches = [batch.append_column(text_of(exact), pa.array(["true"])) for batch in batches]
    traits = FileTraits(exact=frozenset({exact} if exact else ()))
    return parquet.write(batches, SCHEMA, io.BytesIO(), {}, parquet.ContentMeter(SCHEMA, "t"), Layout(profile), traits)


@pytest.mark.parametrize("profile", ["fast", "small"])
def test_bounds_are_of_all_row_groups(profile: Profile) -> None:
    later = {"t": datetime(2026, 1, 2, tzinfo=UTC), "day": None, "price": Decimal("12345678.90"), "text": "ä", "small": 7}
    assert bounds({}, later, {"small": None}, profile=profile) == {
        "t": ("2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z", 0),
        "day": ("1969-12-31", "1969-12-31", 1),
        "price": ("-0.05", "12345678.90", 0),
        "text": ("b", r"\u00e4", 0),
        "small": (-3, 7, 1),
    }


def test_a_column_of_nulls_has_its_nulls() -> None:
    assert bounds({"text": None}, {"text": None})["text"] == (None, None, 2)


def test_long_texts_have_bounds() -> None:
    """The writer leaves them out of the footer."""
    least, greatest, _ = bounds({"text": "a" * 5000}, {"text": "b"}, {"text": "z" * 5000})["text"]
    assert (least, greatest) == ("a" * 32, "z" * 32 + r"\udbff\udfff")


def test_a_corrected_column_has_the_bounds_of_its_form() -> None:
    assert bounds({}, {"day": None}, exact="day")["day"] == ("0001-01-01", "9999-12-31", 1)


def test_a_file_without_rows() -> None:
    assert set(bounds().values()) == {(None, None, 0)}
