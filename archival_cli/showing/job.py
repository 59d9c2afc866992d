"""One job, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archival_cli.showing.text import chunk_name, count, dismissal, moment, range_of, reason, size


def facts_of(job: Any) -> Iterator[tuple[str, str]]:
    """What is known of a job, the most important first."""
    yield "job", job["job_id"]
    yield "asked for", _wish(job)
    yield "of", f"{chunk_name(job['chunk'])} of {job['hypertable']}"
    yield "range (UTC)", range_of(job)
    yield "status", job["status"]
    yield "reason", reason(job["error"])
    yield "not removed", reason(job["removal_error"])
    yield "dismissed", dismissal(job.get("dismissed"))
    yield "requested", f"{moment(job['requested_at'])} by {job['requested_by']}"
    yield "started", f"{moment(job['started_at'])}, attempt {job['attempt']}" if job["started_at"] else ""
    yield "progress", f"{job['parts_done']} of {job['parts']} parts, {count(job['rows_done'])} rows" if job["parts"] else ""
    yield "finished", moment(job["finished_at"])
    for title in ("removed", "restored", "verified"):
        yield title, moment(job[f"{title}_at"])
    yield "rows", count(job["rows"])
    yield "size", _sizes(job)
    yield "in the lake at", job["lake_path"] or ""
    yield "trace", job["trace_id"] or ""


def _wish(job: Any) -> str:
    if job["kind"] == "restore":
        into = (job["options"] or {}).get("into")
        return f"restore into {into}" if into else "restore in place"
    ends = {True: ", then drop the chunk", False: ", and keep the chunk", None: ""}[job["remove"]]
    return f"archive{' again' if job['force'] else ''}{ends}"


def _sizes(job: Any) -> str:
    source = f"{size(job['source_bytes'])} in the database" if job["source_bytes"] is not None else ""
    lake = f"{size(job['parquet_bytes'])} of Parquet" if job["parquet_bytes"] is not None else ""
    return ", ".join(part for part in (source, lake) if part)
