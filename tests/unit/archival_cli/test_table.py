"""Tables fit their terminal, and nothing of an id or a name is lost."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest
from rich.cells import cell_len

from archival_cli.showing.columns import CHUNKS, DEAD_LETTERS, FINDINGS, HISTORY, JOBS, POLICIES, PROFILES, WANTED
from archival_cli.showing.output import Output
from archival_cli.showing.table import lines
from archival_cli.showing.text import plain, range_of, size, span

JOB: dict[str, Any] = {
    "job_id": "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10",
    "kind": "archive",
    "status": "failed",
    "hypertable": "public.conditions_of_the_northern_plant",
    "chunk": "_timescaledb_internal._hyper_12_34567_chunk",
    "range_start": "2026-01-01T00:00:00Z",
    "range_end": "2026-01-08T00:00:00Z",
    "requested_at": "2026-11-01T08:00:00.123456Z",
    "rows": 6048000,
    "source_bytes": 805306368,
    "parquet_bytes": None,
    "error": {"code": "source-unreachable", "message": "connection refused: " + "word " * 40},
    "removal_error": None,
}


def _shown(rows: list[Any], columns: Any, width: int | None) -> list[str]:
    return [line.plain for line in lines(rows, columns, width)[0]]


@pytest.mark.parametrize("width", [80, 100, 132])
def test_a_list_of_jobs_fits_and_has_id_hypertable_range_and_reason(width: int) -> None:
    shown = _shown([JOB, {**JOB, "status": "archived", "error": None}], JOBS, width)
    assert max(map(cell_len, shown)) <= width
    whole = "".join("".join(shown).split())
    for part in ("0b9f7a52", "public.conditions_of_the_northern_plant", "2026-01-01", "2026-01-08", "source-unreachable"):
        assert part in whole or all(piece in whole for piece in part.split("_")), part


def test_names_that_are_too_long_go_on_in_the_next_line() -> None:
    row = {**JOB, "hypertable": "public." + "abcdefghij" * 9}
    shown = _shown([row], JOBS, 80)
    assert max(map(cell_len, shown)) <= 80
    letters = "".join(shown)
    assert all(letters.count(letter) >= 9 for letter in "abcdefghij")


def test_without_a_terminal_everything_is_whole() -> None:
    [_, line, reason] = _shown([JOB], JOBS, None)
    assert JOB["job_id"] in line
    assert JOB["chunk"] in line
    assert "2026-11-01 08:00Z" in line
    assert "connection refused" in reason


@pytest.mark.parametrize("width", [20, 40, 80])
def test_columns_of_every_rank_give_way(width: int) -> None:
    row = {
        "chunk": "_timescaledb_internal._hyper_12_34567_chunk",
        "hypertable": JOB["hypertable"],
        "range_start": "2026-01-01T06:00:00Z",
        "range_end": "2026-01-08T06:00:00Z",
        "state": "in-database",
        "rows": 2000,
        "database_bytes": 507_904,
        "parquet_bytes": 71_234,
        "job_id": JOB["job_id"],
        "error": None,
    }
    found, left_out = lines([row], CHUNKS, width)
    assert max(line.cell_len for line in found) <= width
    titles = {title for title in ("chunk", "state", "rows", "database", "lake", "job") if title not in found[0].plain.split()}
    assert titles <= set(left_out)
    assert "chunk" not in left_out


def test_without_a_terminal_columns_without_a_value_are_there() -> None:
    assert "Parquet" in _shown([JOB], JOBS, None)[0]
    assert "Parquet" not in _shown([JOB], JOBS, 300)[0]


def test_what_has_no_room_is_named() -> None:
    assert "requested" in lines([JOB], JOBS, 80)[1]
    assert lines([JOB], JOBS, None)[1] == []


@pytest.mark.parametrize("columns", [JOBS, CHUNKS, HISTORY, WANTED, POLICIES, DEAD_LETTERS, FINDINGS, PROFILES])
def test_no_two_columns_of_a_list_have_one_title(columns: Any) -> None:
    titles = [column.title for column in columns]
    assert len(set(titles)) == len(titles)


def test_signs_that_move_a_cursor_are_shown_by_their_code() -> None:
    assert plain("a\x1b[2Jb\nc") == "a\\x1b[2Jb\\nc"
    [_, line] = _shown([{**JOB, "chunk": "a\x1b[2J", "error": None}], JOBS, None)
    assert "\x1b" not in line


def test_wide_signs_count_twice() -> None:
    shown = _shown([{**JOB, "hypertable": "public.温度計測" * 4, "error": None}], JOBS, 80)
    assert max(map(cell_len, shown)) <= 80


def test_csv_has_raw_values_and_every_column() -> None:
    written = io.StringIO()
    with redirect_stdout(written):
        Output("csv").show({"jobs": [JOB]}, [JOB], JOBS, "none")
        Output("csv").say("a sentence")
    [row] = csv.DictReader(io.StringIO(written.getvalue()))
    assert row["job_id"] == JOB["job_id"]
    assert row["rows"] == "6048000"
    assert row["range_start"] == "2026-01-01T00:00:00Z"
    assert json.loads(row["error"])["code"] == "source-unreachable"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"range_start": "2026-01-01T00:00:00Z", "range_end": "2026-01-08T00:00:00Z"}, "2026-01-01 to 2026-01-08"),
        # as the console has it: a day is its date
        ({"range_start": "2026-01-31T00:00:00Z", "range_end": "2026-02-01T00:00:00Z"}, "2026-01-31"),
        (
            {"range_start": "2026-01-31T06:00:00Z", "range_end": "2026-02-01T06:00:00Z"},
            "2026-01-31 06:00Z to 2026-02-01 06:00Z",
        ),
        (
            {"range_start": "2026-01-01T00:00:00Z", "range_end": "2026-01-01T06:00:00Z"},
            "2026-01-01 00:00Z to 2026-01-01 06:00Z",
        ),
        ({"range_start": "100", "range_end": "200"}, "100 to 200"),
        ({"range_start": None, "range_end": "2026-01-08T00:00:00Z"}, "… to 2026-01-08"),
        ({"range_start": None, "range_end": None}, ""),
        ({"range_start": "-infinity", "range_end": "infinity"}, "-infinity to infinity"),
    ],
)
def test_a_range_is_told_in_days_where_it_is_whole_days(row: dict[str, Any], told: str) -> None:
    assert range_of(row) == told


@pytest.mark.parametrize(("seconds", "told"), [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (90_061, "1 d 1 h")])
def test_a_length_of_time_has_two_units(seconds: int, told: str) -> None:
    assert span(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (9_994_999, "9.99 MB"),
        (9_995_000, "10.0 MB"),
        (99_950_000, "100 MB"),
        # by this figure times the price of a GB people check what they pay, and the console says the same
        (436_800_000_000, "437 GB"),
        (10**16, "10.0 PB"),
    ],
)
def test_sizes_are_those_of_the_console(number: int, told: str) -> None:
    assert size(number) == told


def test_a_list_of_days_has_each_chunk_on_one_line() -> None:
    row = {
        "chunk": "demo.readings_2026_01_01",
        "hypertable": "demo.readings",
        "range_start": "2026-01-01T00:00:00Z",
        "range_end": "2026-01-02T00:00:00Z",
        "state": "in-database",
        "rows": 2000,
        "database_bytes": 507_904,
        "parquet_bytes": 71_234,
        "job_id": None,
        "error": None,
    }
    shown = _shown([row], CHUNKS, 80)
    assert len(shown) == 2, shown
    assert "demo.readings_2026_01_01  2026-01-01" in shown[1]
