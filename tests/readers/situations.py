"""What readers are asked: for each situation some columns of every row, and filters on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.readers.filters import Filter, Kind
from tests.readers.story import EXACT


@dataclass(frozen=True, slots=True)
class Situation:
    """One line of the matrix."""

    name: str
    columns: tuple[str, ...]
    filters: tuple[Filter, ...] = ()


def _floats(column: str) -> tuple[Filter, ...]:
    return (
        Filter(column, ">", "float", "100"),
        Filter(column, "=", "float", "NaN"),
        Filter(column, "not <", "float", "100"),
        Filter(column, "<", "float", "-1"),
        Filter(column, "=", "float", "0"),
        Filter(column, "is null"),
        Filter(column, "is not null"),
    )


def _integers(column: str, literal: str) -> tuple[Filter, ...]:
    return (
        Filter(column, ">", "integer", literal),
        Filter(column, "=", "integer", literal),
        Filter(column, "is null"),
        Filter(column, "is not null"),
    )


def _times(column: str) -> tuple[Filter, ...]:
    kind: Kind = "date" if column == "day" else "local" if column == "local" else "moment"
    clock, zone = ("", "") if kind == "date" else (" 00:00:00", "+00:00" if kind == "moment" else "")
    return (
        Filter(column, ">=", kind, f"2020-01-02{clock}{zone}", f"2021-01-01{clock}{zone}"),
        Filter(column, "<", kind, f"1700-01-01{clock}{zone}"),
        Filter(column, ">", kind, f"9000-01-01{clock}{zone}"),
        Filter(column, "=", kind, f"1582-10-10{clock and ' 01:02:03.000001'}{zone}"),
        Filter(column, "is null"),
    )


SITUATIONS: Final = (
    Situation("a column added", ("added",), _integers("added", "5010")),
    Situation("a column dropped", ("old",), _integers("old", "1010")),
    Situation(
        "a column renamed",
        ("fate", "destiny"),
        (Filter("fate", "=", "text", "fate 2"), Filter("destiny", "=", "text", "fate 2"), Filter("fate", "is null")),
    ),
    Situation("int, then bigint", ("count", "count__2"), (*_integers("count", "1010"), *_integers("count__2", "3000005010"))),
    Situation(
        "numeric(10,2), then (12,4); NaN in both",
        ("price", "price__2"),
        (
            Filter("price", ">", "decimal", "800.25"),
            Filter("price", "=", "decimal", "277.25"),
            Filter("price__2", "=", "decimal", "313.1875"),
            Filter("price__2", ">", "decimal", "313.1875"),
            Filter("price", "is null"),
            Filter("price__2", "is null"),
        ),
    ),
    Situation("NaN, infinities and -0 in double precision", ("value", "Temp_x20__xb0_C"), _floats("value")),
    Situation("the same in real", ("level",), _floats("level")),
    Situation("dates: infinities, BC, far", ("day",), _times("day")),
    Situation("timestamps: the same", ("local",), _times("local")),
    Situation("timestamptz: the same", ("moment",), _times("moment")),
    Situation(
        "the time column, with infinity in it",
        ("time",),
        (
            Filter("time", ">=", "moment", "2026-01-05 00:00:00+00:00", "2026-01-10 00:00:00+00:00"),
            Filter("time", ">=", "moment", "2026-03-01 00:00:00+00:00", "2026-04-01 00:00:00+00:00"),
            Filter("time", ">", "moment", "2026-07-15 00:00:00+00:00"),
            Filter("time", ">", "moment", "9999-01-01 00:00:00+00:00"),
            Filter("time", "<", "moment", "2026-01-02 00:00:00+00:00"),
        ),
    ),
    Situation(
        "arrays: empty, with NULL, NaN, infinity, of other shapes",
        ("tags", "grid", "rates", "sums", "stamps", "days"),
        (Filter("tags", "is null"), Filter("rates", "is not null")),
    ),
    Situation("what `_archival_exact` says", (EXACT,), (Filter(EXACT, "is null"), Filter(EXACT, "is not null"))),
    Situation(
        "names with space, dot, emoji; that differ in case",
        ("Temp_x20__xb0_C", "a_x2e_b", "Case", "case__2", "_x1f321_"),
        (
            *_integers("a_x2e_b", "1010"),
            Filter("Case", "=", "text", "upper 2"),
            Filter("case__2", "<", "integer", "-5010"),
            Filter("_x1f321_", "=", "integer", "2020"),
        ),
    ),
    Situation(
        "texts, bytes, flags, numbers as text",
        ("label", "raw", "flag", "free", "small"),
        (
            Filter("label", "=", "text", "label 3"),
            Filter("label", ">", "text", "label 5"),
            Filter("label", "=", "text", "\U0010ffff"),
            Filter("label", "is null"),
            Filter("flag", "=", "boolean", "true"),
            Filter("small", "<", "integer", "10"),
        ),
    ),
    Situation("each row once: superseded archive, empty chunk, both profiles", (), (Filter("id", ">=", "integer", "0"),)),
)
