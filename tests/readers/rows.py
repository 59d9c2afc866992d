"""The rows of the table: what PostgreSQL is given, and what the lake's column holds then.

The second is written down here and not asked of the service, which is what is tested.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from tests.readers import values
from tests.readers.values import Value

FIRST_DAY, LAST_DAY = values.of_date(date(1, 1, 1)), values.of_date(date(9999, 12, 31))
FIRST = values.of_moment(datetime(1, 1, 1, tzinfo=UTC))
LAST = values.of_moment(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))


class Cell(NamedTuple):
    """One value of a row."""

    #: what PostgreSQL is given
    text: str | None
    #: what the lake's column holds, in the form of `values`
    value: Value
    #: what PostgreSQL prints, where the lake's column holds another value
    exact: str | None = None


#: by the name of the column in PostgreSQL
Row = dict[str, Cell]

_TWO_MOMENTS: Final = '{infinity,"2026-01-01 00:00:00+00"}'
_NULL: Final = Cell(None, None)
_DAYS: Final = [
    Cell("infinity", LAST_DAY, "infinity"),
    Cell("-infinity", FIRST_DAY, "-infinity"),
    Cell("0044-03-15 BC", FIRST_DAY, "0044-03-15 BC"),
    Cell("12345-06-07", LAST_DAY, "12345-06-07"),
    Cell("0001-01-01", FIRST_DAY),
    Cell("9999-12-31", LAST_DAY),
    Cell("1582-10-10", values.of_date(date(1582, 10, 10))),
    Cell("1900-01-01", values.of_date(date(1900, 1, 1))),
]


def _moments(zone: str) -> list[Cell]:
    return [
        Cell("infinity", LAST, "infinity"),
        Cell("-infinity", FIRST, "-infinity"),
        Cell(f"0044-03-15 12:00:00{zone} BC", FIRST, f"0044-03-15 12:00:00{zone} BC"),
        Cell(f"12345-06-07 08:09:10.111213{zone}", LAST, f"12345-06-07 08:09:10.111213{zone}"),
        Cell(f"0001-01-01 00:00:00{zone}", FIRST),
        Cell(f"9999-12-31 23:59:59.999999{zone}", LAST),
        Cell(f"1582-10-10 01:02:03.000001{zone}", values.of_moment(datetime(1582, 10, 10, 1, 2, 3, 1))),
        Cell(f"1677-01-01 00:00:00.5{zone}", values.of_moment(datetime(1677, 1, 1, 0, 0, 0, 500_000))),
    ]


_ODD: Final[dict[str, list[Cell]]] = {
    "value": [
        Cell("NaN", "nan"),
        Cell("Infinity", "inf"),
        Cell("-Infinity", "-inf"),
        Cell("-0", "-0x0.0p+0"),
        Cell("5e-324", (5e-324).hex()),
    ],
    "level": [Cell("NaN", "nan"), Cell("Infinity", "inf"), Cell("-Infinity", "-inf"), Cell("-0", "-0x0.0p+0")],
    "price": [Cell("NaN", None, "NaN")],
    "free": [Cell("NaN", "NaN"), Cell("Infinity", "Infinity"), Cell("1e-30", "0." + "0" * 29 + "1")],
    "day": _DAYS,
    "local": _moments(""),
    "moment": _moments("+00"),
    "tags": [
        Cell("{}", []),
        Cell('{a,NULL,"",NULL}', ["a", None, "", None]),
        Cell('{"NULL","a,b","{}"}', ["NULL", "a,b", "{}"]),
        Cell("{{a,b},{c,d}}", None, "{{a,b},{c,d}}"),
        Cell("[0:1]={a,b}", None, "[0:1]={a,b}"),
    ],
    "grid": [
        Cell("{{1,2},{3,4}}", None, "{{1,2},{3,4}}"),
        Cell("[5:5]={1}", None, "[5:5]={1}"),
        Cell("{NULL}", [None]),
        Cell("{}", []),
    ],
    "rates": [
        Cell("{NaN,1,NULL,Infinity,-0}", ["nan", (1.0).hex(), None, "inf", "-0x0.0p+0"]),
        Cell("{{1},{2}}", None, "{{1},{2}}"),
    ],
    "sums": [Cell("{NaN,1.500,NULL}", [None, "1.5", None], "{NaN,1.500,NULL}"), Cell("{123.456}", ["123.456"])],
    "stamps": [Cell(_TWO_MOMENTS, [LAST, values.of_moment(datetime(2026, 1, 1))], _TWO_MOMENTS)],
    "days": [Cell("{-infinity,2026-01-01}", [FIRST_DAY, values.of_date(date(2026, 1, 1))], "{-infinity,2026-01-01}")],
    "label": [Cell(text, text) for text in ("", "NULL", "🌡 ä\tb'\"\\", "x" * 300, "\U0010ffff")],
    "raw": [Cell("\\x", ""), Cell("\\x00ff80", "00ff80")],
    "Temp °C": [Cell("NaN", "nan")],
}


def ordinary(number: int, time: datetime) -> Row:
    """Row `number`, with a value in every column, or a NULL in most of them now and then."""
    day, local = date(2020, 1, 1) + timedelta(days=number), datetime(2020, 1, 1) + timedelta(minutes=number)
    row: Row = {
        "id": Cell(str(number), number),
        "time": Cell(time.isoformat(), values.of_moment(time)),
        "value": Cell(repr(number / 4), (number / 4).hex()),
        "level": Cell(repr(number / 8), (number / 8).hex()),
        "count": Cell(str(number), number),
        "small": Cell(str(number % 1000), number % 1000),
        "price": Cell(f"{number / 4:.2f}", values.of_decimal(f"{number / 4:.2f}")),
        "free": Cell(f"{number}.125", f"{number}.125"),
        "day": Cell(day.isoformat(), values.of_date(day)),
        "local": Cell(local.isoformat(), values.of_moment(local)),
        "moment": Cell(f"{local.isoformat()}Z", values.of_moment(local)),
        "label": Cell(f"label {number % 7}", f"label {number % 7}"),
        "flag": Cell("true" if number % 2 else "false", bool(number % 2)),
        "raw": Cell(f"\\x{number % 256:02x}00", f"{number % 256:02x}00"),
        "tags": Cell(f"{{a,b{number % 3}}}", ["a", f"b{number % 3}"]),
        "grid": Cell(f"{{{number},{number + 1}}}", [number, number + 1]),
        "rates": Cell(f"{{{number / 2}}}", [(number / 2).hex()]),
        "sums": Cell(f"{{{number}.125}}", [values.of_decimal(f"{number}.125")]),
        "stamps": Cell(f"{{{local.isoformat()}Z}}", [values.of_moment(local)]),
        "days": Cell(f"{{{day.isoformat()}}}", [values.of_date(day)]),
        "Temp °C": Cell(repr(number / 2), (number / 2).hex()),
        "a.b": Cell(str(number), number),
        "Case": Cell(f"upper {number % 5}", f"upper {number % 5}"),
        "case": Cell(str(-number), -number),
        "🌡": Cell(str(number * 2), number * 2),
        "old": Cell(str(number), number),
        "fate": Cell(f"fate {number % 4}", f"fate {number % 4}"),
    }
    if number % 10 == 3:
        row |= dict.fromkeys([name for name in row if name not in ("id", "time")], _NULL)
    return row


def odd(first: int, time: datetime) -> list[Row]:
    """Rows from number `first` on, each with a value in one column that is seldom met."""
    rows: list[Row] = []
    for column, cells in _ODD.items():
        for cell in cells:
            number = first + len(rows)
            row = ordinary(number - number % 10 + 4 + number % 3, time + timedelta(seconds=len(rows)))
            rows.append(row | {"id": Cell(str(number), number), column: cell})
    return rows


def later(row: Row) -> Row:
    """The same row after the table was altered: columns added, dropped, renamed, and of another type."""
    number, is_null = row["id"].value, row["count"].text is None
    changed = {name: cell for name, cell in row.items() if name not in ("old", "fate", "count", "price")}
    price = f"{number / 16:.4f}"
    changed["count"] = _NULL if is_null else Cell(str(number + 3_000_000_000), number + 3_000_000_000)
    changed["price"] = Cell(price, values.of_decimal(price)) if row["price"].text not in (None, "NaN") else row["price"]
    changed["destiny"] = row["fate"]
    changed["added"] = _NULL if is_null else Cell(str(number), number)
    return changed
