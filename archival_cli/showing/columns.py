"""What each list shows of a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from archival_cli.showing.table import Column, Row
from archival_cli.showing.text import age, chunk_name, count, dismissal, moment, range_of, reason, short_id, size, span


def _text(field: str) -> Callable[[Row], str]:
    return lambda row: str(row.get(field) or "")


def _moment(field: str) -> Callable[[Row], str]:
    return lambda row: moment(row.get(field))


def _size(field: str) -> Callable[[Row], str]:
    return lambda row: size(row.get(field))


def _count(field: str) -> Callable[[Row], str]:
    return lambda row: count(row.get(field))


def _estimated(row: Row) -> str:
    """What the archive has, or what the database's statistics say."""
    if row.get("rows") is not None:
        return count(row["rows"])
    return f"~{count(row['rows_estimated'])}" if row.get("rows_estimated") else ""


def _asked(row: Row) -> str:
    """Of an event: its chunk, or up to when."""
    if row["chunk"] is not None:
        return chunk_name(row["chunk"])
    return "" if row["older_than"] is None else f"older than {moment(str(row['older_than']))}"


_RANGE: Final = Column("range (UTC)", ("range_start", "range_end"), range_of)
_CHUNK: Final = Column("chunk", ("chunk",), lambda row: chunk_name(row["chunk"]), whole=_text("chunk"))
_HYPERTABLE: Final = Column("hypertable", ("hypertable",), _text("hypertable"))
_JOB: Final = Column("job", ("job_id",), lambda row: short_id(str(row["job_id"] or "")), whole=_text("job_id"))


def _reason(title: str, field: str) -> Column:
    return Column(title, (field,), lambda row: reason(row.get(field)), beneath=True)


#: what is done about an archive of before tables had a schema
_WAYS: Final = {"rewrite": "written anew", "archive": "archived anew", "none": "nothing now"}

JOBS: Final[Sequence[Column]] = (
    _JOB,
    Column("kind", ("kind",), _text("kind"), rank=4),
    Column("status", ("status",), _text("status")),
    _HYPERTABLE,
    Column("chunk", ("chunk",), lambda row: chunk_name(row["chunk"]), rank=2, whole=_text("chunk")),
    _RANGE,
    Column("requested", ("requested_at",), _moment("requested_at"), rank=3),
    Column("rows", ("rows",), _count("rows"), rank=5, right=True),
    Column("source", ("source_bytes",), _size("source_bytes"), rank=6, right=True),
    Column("Parquet", ("parquet_bytes",), _size("parquet_bytes"), rank=7, right=True),
    _reason("reason", "error"),
    _reason("why not removed", "removal_error"),
    Column("dismissed", ("dismissed",), lambda row: dismissal(row.get("dismissed")), beneath=True),
)
HISTORY: Final[Sequence[Column]] = (
    Column("at", ("at",), _moment("at")),
    Column("attempt", ("attempt",), _count("attempt"), right=True),
    Column("began", ("began_at",), _moment("began_at"), rank=1),
    Column("from", ("from_status",), _text("from_status")),
    Column("to", ("to_status",), _text("to_status")),
    Column("by", ("written_by",), _text("written_by"), rank=2),
    _reason("reason", "error"),
)
CHUNKS: Final[Sequence[Column]] = (
    _CHUNK,
    # where there is little room, it is the one that was asked for
    Column("hypertable", ("hypertable",), lambda _: "", whole=_text("hypertable")),
    _RANGE,
    Column("state", ("state",), _text("state")),
    Column("rows", ("rows", "rows_estimated"), _estimated, rank=2, right=True),
    Column("database", ("database_bytes",), _size("database_bytes"), right=True),
    Column("lake", ("parquet_bytes",), _size("parquet_bytes"), right=True),
    Column("job", ("job_id",), lambda row: short_id(str(row["job_id"] or "")), rank=1, whole=_text("job_id")),
    _reason("reason", "error"),
)
WANTED: Final[Sequence[Column]] = (
    _CHUNK,
    _RANGE,
    Column("rows", ("rows_estimated",), _estimated, right=True),
    Column("database", ("bytes",), _size("bytes"), right=True),
)
RESTORABLE: Final[Sequence[Column]] = (
    _JOB,
    _CHUNK,
    _RANGE,
    Column("rows", ("rows",), _count("rows"), right=True),
    Column("database", ("source_bytes",), _size("source_bytes"), rank=1, right=True),
    Column("lake", ("parquet_bytes",), _size("parquet_bytes"), right=True),
    Column("path", ("lake_path",), _text("lake_path"), rank=2),
)


def _rules(row: Row) -> str:
    """Of a hypertable: what its policy says."""
    if row["archive_after_seconds"] is None:
        return "none"
    leaves = "kept" if row["remove_after_seconds"] is None else span(row["remove_after_seconds"])
    return f"{span(row['archive_after_seconds'])}, {leaves}" + ("" if row["policy_enabled"] else " (off)")


def _troubles(row: Row) -> str:
    """Of a hypertable: what somebody should know."""
    behind = f"behind its policy for {row['behind_days']:.1f} days" if row["behind_days"] is not None else ""
    error = row["last_error"] or {}
    failed = f"last error {error.get('code')}: {error.get('message')}" if error else ""
    return "; ".join(part for part in (row["problem"], row["policy_problem"], behind, failed) if part)


HYPERTABLES: Final[Sequence[Column]] = (
    _HYPERTABLE,
    Column("chunks", ("in_database",), _count("in_database"), right=True),
    Column("database", ("database_bytes",), _size("database_bytes"), right=True),
    Column("freed", ("freed_bytes",), _size("freed_bytes"), right=True),
    Column("lake", ("parquet_bytes",), _size("parquet_bytes"), right=True),
    Column("policy", ("archive_after_seconds", "remove_after_seconds", "policy_enabled"), _rules, rank=1),
    Column("oldest", ("oldest",), lambda row: moment(row["oldest"])[:10], rank=2),
    Column("kind", ("kind",), _text("kind"), rank=4),
    Column("time column", ("time_column",), _text("time_column"), rank=3),
    Column("this month", ("freed_this_month",), _size("freed_this_month"), rank=6, right=True),
    Column("saved a month", ("saved_month",), lambda row: f"{row['saved_month']:,.2f}", rank=5, right=True),
    Column("troubles", ("behind_days", "problem", "policy_problem", "last_error"), _troubles, beneath=True),
)
FAILURES: Final[Sequence[Column]] = (
    Column("code", ("code",), _text("code")),
    Column("jobs", ("jobs",), _count("jobs"), right=True),
    Column("newest", ("newest",), _moment("newest")),
    Column("retry", ("is_transient",), lambda row: "may help" if row["is_transient"] else ""),
    Column("hypertables", ("hypertables",), lambda row: ", ".join(row["hypertables"]), rank=1),
    Column("message", ("message",), _text("message"), beneath=True),
    Column("what to do", ("remedy",), lambda row: f"What to do: {row['remedy']}" if row["remedy"] else "", beneath=True),
)
REFUSALS: Final[Sequence[Column]] = (
    Column("code", ("code",), _text("code")),
    Column("chunks", ("chunks",), _count("chunks"), right=True),
    Column("database", ("bytes",), _size("bytes"), right=True),
    Column("tried", ("newest",), _moment("newest")),
    Column("hypertables", ("hypertables",), lambda row: ", ".join(row["hypertables"]), rank=1),
    Column("message", ("message",), _text("message"), beneath=True),
    Column("what to do", ("remedy",), lambda row: f"What to do: {row['remedy']}" if row["remedy"] else "", beneath=True),
)
AUDIT: Final[Sequence[Column]] = (
    Column("at", ("at",), _moment("at")),
    Column("who", ("who",), _text("who")),
    Column("asked for", ("action",), _text("action")),
    Column("outcome", ("outcome",), lambda row: row["outcome"] or "under way"),
    Column("jobs", ("jobs",), lambda row: count(row["jobs"]) if row["jobs"] else "", right=True),
    Column("with", ("asked",), lambda row: json.dumps(row["asked"]) if row["asked"] else "", beneath=True),
)
POLICIES: Final[Sequence[Column]] = (
    _HYPERTABLE,
    Column("archive after", ("archive_after",), lambda row: age(row["archive_after"])),
    Column("remove after", ("remove_after",), lambda row: age(row["remove_after"]) or "never"),
    Column("enabled", ("enabled",), lambda row: "yes" if row["enabled"] else "no"),
    Column(
        "dropped by others",
        ("dropped_by_others",),
        lambda row: "forget" if row["dropped_by_others"] == "forget" else "",
        rank=1,
    ),
    Column("problem", ("problem",), _text("problem"), beneath=True),
)
EVENTS: Final[Sequence[Column]] = (
    Column("entry", ("entry_id",), _text("entry_id")),
    Column("added", ("added_at",), _moment("added_at"), rank=1),
    Column("progress", ("progress",), _text("progress")),
    _HYPERTABLE,
    Column("asks for", ("chunk", "older_than"), _asked),
    Column("remove", ("remove",), lambda row: {True: "yes", False: "no", None: ""}[row["remove"]], rank=3),
    Column("by", ("requested_by",), _text("requested_by"), rank=2),
    Column("problem", ("problem",), _text("problem"), beneath=True),
)
DEAD_LETTERS: Final[Sequence[Column]] = (
    Column("entry", ("entry_id",), _text("entry_id")),
    Column("kind", ("kind",), _text("kind"), rank=1),
    Column("replayable", ("replayable",), lambda row: "yes" if row["replayable"] else "no"),
    Column("size", ("bytes",), _size("bytes"), rank=2, right=True),
    Column("reason", ("reason",), _text("reason"), beneath=True),
)
REASONS: Final[Sequence[Column]] = (
    Column("why", ("because",), _text("because")),
    Column("chunks", ("chunks",), _count("chunks"), right=True),
    Column("in database", ("bytes",), _size("bytes"), right=True),
    Column("next", ("step",), _text("step")),
    Column("first at", ("first_at",), _moment("first_at")),
    Column("example", (), lambda row: chunk_name(row["example"]["chunk"]), rank=1, whole=lambda row: row["example"]["chunk"]),
    Column("the first of them", (), lambda row: row["example"]["next_step"]["text"], beneath=True),
)
NEXT: Final[Sequence[Column]] = (
    _CHUNK,
    _RANGE,
    Column("state", ("state",), _text("state")),
    Column("next", ("step",), _text("step")),
    Column("why", ("because",), _text("because")),
    Column("at", ("at",), _moment("at")),
    Column("", ("text", "remedy"), _text("text"), beneath=True),
)
FINDINGS: Final[Sequence[Column]] = (
    _JOB,
    _HYPERTABLE,
    Column("chunk", ("chunk",), lambda row: chunk_name(row["chunk"]), rank=1, whole=_text("chunk")),
    Column("only copy", ("status",), lambda row: "yes" if row["status"] == "removed" else "no"),
    Column("problem", ("problem",), _text("problem")),
    Column("found", ("found_at",), _moment("found_at"), rank=2),
    Column("file", ("file",), lambda row: f"{row['file']}: {row['detail']}", beneath=True),
)
PROFILES: Final[Sequence[Column]] = (
    Column("profile", ("name",), _text("name")),
    Column("chosen", ("chosen",), lambda row: "yes" if row["chosen"] else ""),
    Column("address", ("url",), _text("url")),
)

OUTDATED: Final[Sequence[Column]] = (
    _CHUNK,
    Column("hypertable", ("hypertable",), _text("hypertable"), rank=2),
    Column("rows", ("rows",), _count("rows"), right=True),
    Column("lake", ("parquet_bytes",), _size("parquet_bytes"), right=True),
    Column("what is done", ("way",), lambda row: _WAYS.get(row["way"], str(row["way"]))),
    Column("path", ("lake_path",), _text("lake_path"), rank=3),
    Column("reason", ("reason",), lambda row: row["reason"] or "", beneath=True),
)
TABLES: Final[Sequence[Column]] = (
    _HYPERTABLE,
    Column("version", ("version",), lambda row: "" if row["version"] is None else str(row["version"])),
    Column("archives", ("archives",), _count("archives")),
    Column("files", ("files",), _count("files"), rank=2),
    Column("rows", ("rows",), _count("rows")),
    Column("left out", ("left_out",), _count("left_out"), rank=1),
    Column("committed", ("committed_at",), _moment("committed_at"), rank=1),
    _reason("finding", "finding"),
)
