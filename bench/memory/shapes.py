"""Tables of many shapes, each one partition: what a row group, a batch or a page holds differs most between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import psycopg

from bench.table import build as build_usages

_USAGES_ROWS: Final = 3_000_000
#: Thirty-two characters that compress no better than the half of them.
_NOISE: Final = "md5(random()::text)"


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows, and with which settings they are archived."""

    title: str
    #: of the table; empty for the bench's own
    table: str = ""
    #: after the time, as SQL
    columns: str = ""
    #: SELECT of all columns from the number `i` of a row
    row: str = ""
    rows: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)


def _text(bytes_: int) -> str:
    """SQL of a text of so many bytes, of noise that differs from row to row."""
    return f"(select string_agg(md5(i::text || n || random()), '') from generate_series(1, {bytes_ // 32}) n)"


SHAPES: Final[Mapping[str, Shape]] = {
    "usages": Shape("13 columns, a hundred bytes a row"),
    "small": Shape("the same, profile `small`", settings={"PARQUET_PROFILE": "small"}),
    "four": Shape("the same, four readers", settings={"ARCHIVE_READERS": "4"}),
    "wide": Shape(
        "300 numbers",
        "wide",
        ", ".join(f"v{number} double precision" for number in range(300)),
        ", ".join(["random() * 1000"] * 300),
        200_000,
    ),
    "wide-small": Shape("the same, profile `small`", "wide", settings={"PARQUET_PROFILE": "small"}),
    "texts": Shape("texts of 2 KB", "texts", "note text", _text(2048), 200_000),
    "texts-small": Shape("the same, profile `small`", "texts", settings={"PARQUET_PROFILE": "small"}),
    "jsonb": Shape("`jsonb` of 50 KB", "documents", "document jsonb", f"jsonb_build_object('v', {_text(50_000)})", 8_000),
    "arrays": Shape(
        "arrays of a hundred numbers",
        "arrays",
        "samples double precision[]",
        "(select array_agg(random()) from generate_series(1, 100 + i * 0))",
        400_000,
    ),
    "growing": Shape(
        "a million short rows, then 10,000 of 20 KB",
        "growing",
        "note text",
        f"case when i <= 1000000 then {_NOISE} else {_text(20_000)} end",
        1_010_000,
    ),
    "huge": Shape("texts of 100 MB", "huge", "note text", f"repeat({_NOISE}, 3125000)", 6),
    "huge-one": Shape("the same, one reader", "huge", settings={"ARCHIVE_READERS": "1"}),
}


def build(url: str, shape: Shape) -> str:
    """The partition of that shape, built unless it is there; its name."""
    if not shape.table:
        return build_usages(url, _USAGES_ROWS, 0)
    name = f"bench.{shape.table}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema if not exists bench")
        if connection.execute("select to_regclass(%s) is null", (f"{name}_1",)).fetchone() == (True,):
            for statement in (
                f"create table {name} (time timestamptz not null, {shape.columns}) partition by range (time)",
                f"create table {name}_1 partition of {name} for values from ('2026-01-01') to ('2036-01-01')",
                f"insert into {name} select timestamptz '2026-01-01' + i * interval '1 s', {shape.row}"
                f" from generate_series(1, {shape.rows}) i",
                f"vacuum (analyze, freeze) {name}",
            ):
                connection.execute(statement.encode())
    return f"{name}_1"
