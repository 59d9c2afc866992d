"""One screen and one job, whatever of them is known."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from archival_cli.__main__ import main
from archival_cli.showing.job import facts_of
from tests.unit.archival_cli.test_patience import a_service

NOTHING: dict[str, Any] = {
    **dict.fromkeys(("numbers", "running", "failed", "failures", "refusals", "dead_letters", "queues", "stream", "behind")),
    **dict.fromkeys(("intake", "backlog", "money", "dependencies", "trace_url")),
    "generated_at": "2026-11-29T13:26:00Z",
    "away": [
        {"name": name, "cause": "no answer within 2 s", "since": None, "as_of": None}
        for name in ("ledger", "lists", "intake", "dependencies")
    ],
}
SUMS = {"jobs": 2, "rows": 10, "source_bytes": 2048, "parquet_bytes": 1024}
GROUP = {
    "code": "database",
    "oldest": "2026-11-01T00:00:00Z",
    "newest": "2026-11-29T13:00:00Z",
    "message": "connection refused",
    "hypertables": ["public.readings"],
    "meaning": "No connection.",
    "remedy": "Look at the server.",
}
FULL: dict[str, Any] = {
    **NOTHING,
    "numbers": {"jobs": {}, "in_lake": SUMS, "in_both": {**SUMS, "jobs": 1}, "findings": 1, "strays": 2},
    "running": [],
    "failures": [{**GROUP, "jobs": 300, "is_transient": True}],
    "refusals": [{**GROUP, "chunks": 3, "bytes": 4096}],
    "stream": {"entries": 9, "pending": 1, "lag": None, "dead": 26},
    "behind": [{"hypertable": "public.readings", "chunk": "public.jan", "days": 2.13}],
    "intake": {"paused": True, "reason": None, "changed_by": "alice", "changed_at": "2026-11-29T13:00:00Z"},
    "backlog": {"queued": 4, "running": 0, "due": None, "per_hour": 12.4, "done_at": "2026-11-29T14:00:00Z"},
    "money": {"saved_month": -0.0001, "currency": "USD", "freed_this_month": 4096, "saved_this_month": 0.47},
    "dependencies": {
        "redis": {"state": "ok", "code": None, "cause": None, "since": None},
        "lake": {"state": "failed", "code": "lake-away", "cause": "403 of the account", "since": "2026-11-29T13:20:00Z"},
    },
    "away": [{"name": "stream", "cause": "timed out", "since": None, "as_of": "2026-11-29T13:00:00Z"}],
}


def _status(overview: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with a_service(lambda _: (200, overview)) as url:
        code = main(["status", "--url", url])
    return code, " ".join(capsys.readouterr().out.split())


def test_what_is_not_known_is_no_zero(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = _status(NOTHING, capsys)
    assert code == 1
    for subject in ("needs", "intake", "archives", "at work", "saved", "events"):
        assert f"{subject} not known" in told, told
    assert "ledger, lists, intake, dependencies: no answer within 2 s" in told
    assert " 0 " not in told


def test_what_is_known_is_on_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = _status(FULL, capsys)
    assert code == 1
    for part in (
        "redis: ok lake does not answer since 2026-11-29 13:20Z: 403 of the account",
        "stream: timed out; what is shown is of 2026-11-29 13:00Z",
        "PAUSED by alice since 2026-11-29 13:00Z: no reason given",
        "2 chunks in the lake alone (2.05 kB freed), 1 in both; 2.05 kB of Parquet",
        "0 running, 4 queued, an unknown number due by policies; 12 an hour, so done about 2026-11-29 14:00Z",
        "0.00 USD a month; 4.10 kB freed this month, 0.47 a month less for the database",
        "an unknown number waiting, 1 pending; 26 dead letters",
        "1 damaged file (`archival findings`), 2 stray folders",
        "public.readings: public.jan is due for 2.1 days",
        "300 failures that nobody has made up for",
        "What to do: Look at the server.",
        "3 chunks may not leave the database yet",
    ):
        assert part in told, (part, told)


def test_the_screen_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    with a_service(lambda _: (200, FULL)) as url:
        assert main(["status", "--url", url]) == 1
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert [line for line in shown if len(line) > 80] == []
    # what does not fit goes on below, under what it belongs to
    [first] = [number for number, line in enumerate(shown) if line.startswith("at work")]
    assert shown[first + 1].startswith(" " * 11) and "14:00Z" in shown[first + 1]


def test_a_code_that_no_job_has_is_answered_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def answer(path: str) -> tuple[int, Any]:
        asked.append(path)
        return 200, FULL if "overview" in path else {"jobs": [], "next": None, "total": 0}

    with a_service(answer) as url:
        assert main(["jobs", "--not-removed", "databse", "--url", url, "-o", "wide"]) == 0
    assert "removal_error_code=databse" in asked[0]
    told = capsys.readouterr()
    assert told.out == "no such job\n"
    assert told.err.splitlines() == ["failures that are open have database", "removals are refused for database"]


def test_another_service_is_no_archivala_service(capsys: pytest.CaptureFixture[str]) -> None:
    with a_service(lambda _: (200, {"hello": "world"})) as url:
        assert main(["status", "--url", url]) == 3
    assert "there is no archival_service at" in capsys.readouterr().err


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    row = {"entry_id": "1-0", "added_at": None, "progress": "drained", "problem": "x" * 100, "requested_by": None}
    row |= dict.fromkeys(("hypertable", "chunk", "older_than", "remove"))
    with a_service(lambda _: (200, {"events": [row] * 5000, "next": None})) as url:
        command = [sys.executable, "-m", "archival_cli", "events", "--limit", "5000", "--url", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline().startswith(b"entry")
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(30) == 0


JOB: dict[str, Any] = {
    **dict.fromkeys(
        ("removal_error", "started_at", "finished_at", "removed_at", "restored_at", "verified_at", "options", "rows")
    ),
    **dict.fromkeys(("source_bytes", "parquet_bytes", "lake_path", "trace_id", "error", "remove", "restores")),
    "job_id": "0b9f7a52-5a0c-4c55-9d9e-6f0f5d3c7a10",
    "kind": "archive",
    "hypertable": "public.readings",
    "chunk": "_timescaledb_internal._hyper_1_1_chunk",
    "range_start": "2026-01-01T00:00:00Z",
    "range_end": "2026-01-08T00:00:00Z",
    "status": "queued",
    "attempt": 0,
    "force": False,
    "requested_by": "function key",
    "requested_at": "2026-11-01T08:00:00Z",
    "parts": 0,
    "parts_done": 0,
    "rows_done": 0,
}


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ({}, ("asked for", "archive")),
        ({"force": True, "remove": True}, ("asked for", "archive again, then drop the chunk")),
        ({"remove": False}, ("asked for", "archive, and keep the chunk")),
        ({"kind": "restore", "options": {"into": "public.copy"}}, ("asked for", "restore into public.copy")),
        ({"kind": "restore", "options": {"into": None}}, ("asked for", "restore in place")),
        ({}, ("of", "_hyper_1_1_chunk of public.readings")),
        ({"parts": 4, "parts_done": 1, "rows_done": 1000}, ("progress", "1 of 4 parts, 1,000 rows")),
        ({"error": {"code": "database", "message": "away"}}, ("reason", "database: away")),
        (
            {"dismissed": {"reason": "a drill", "by": "alice", "at": "2026-11-29T13:00:00Z"}},
            ("dismissed", "2026-11-29 13:00Z by alice: a drill"),
        ),
        ({"source_bytes": 0, "parquet_bytes": 1024}, ("size", "0 B in the database, 1.02 kB of Parquet")),
    ],
)
def test_a_job_is_told_in_words(job: dict[str, Any], told: tuple[str, str]) -> None:
    assert told in list(facts_of({**JOB, **job}))
