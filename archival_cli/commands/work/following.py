"""Following jobs to their end, with how much is done and how long the rest takes, and what happens to their chunks then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from archival_cli.command import Session
from archival_cli.errors import REFUSED, CommandError
from archival_cli.showing.columns import JOBS
from archival_cli.showing.text import chunk_name, counted, plain

type Job = Mapping[str, Any]

_LIVE: Final = frozenset({"queued", "running"})
_SECONDS: Final = 0.5
#: So many jobs are looked at in each round.
_LOOKED_AT: Final = 20
_WIDE: Final = 120


def ended(session: Session, jobs: Sequence[Job], *, following: bool, empty: str, sizes: Mapping[str, int] | None = None) -> int:
    """Show jobs that were just asked for, `following` them to their end or not; the exit code. `sizes` are bytes by chunk."""
    found = follow(session, jobs, sizes or {}) if following else jobs
    session.output.show({"jobs": found}, found, JOBS, empty)
    if following and session.output.for_people:
        tell_removals(session, found)
    return REFUSED if any(job["status"] == "failed" for job in found) else 0


def follow(session: Session, jobs: Sequence[Job], sizes: Mapping[str, int] | None = None) -> list[Job]:
    """The jobs as they have ended, in the same order."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    found = {job["job_id"]: job for job in jobs}
    weights = {job["job_id"]: (sizes or {}).get(job["chunk"]) or job["source_bytes"] or 0 for job in jobs}
    # where there is little room, the chunk's name would break the line
    named = session.output.aside.width >= _WIDE
    columns = (BarColumn(bar_width=20), DownloadColumn(binary_units=True), TimeElapsedColumn(), TimeRemainingColumn())
    text = TextColumn("{task.description}", markup=False)
    with Progress(text, *columns, console=session.output.aside, transient=True) as bar:
        whole = bar.add_task("", total=sum(weights.values()) or None)
        while True:
            live = [job_id for job_id, job in found.items() if job["status"] in _LIVE]
            done = sum(weights[job_id] * _share(job) for job_id, job in found.items())
            bar.update(whole, completed=int(done), description=_state(found, live, named=named))
            if not live:
                return list(found.values())
            time.sleep(_SECONDS)
            for job_id in live[:_LOOKED_AT]:
                found[job_id] = session.client.get("jobs", job_id)


def tell_removals(session: Session, jobs: Sequence[Job]) -> None:
    """What happens next to chunks that were just archived: an archive is no removal."""
    archived = [job for job in jobs if job["kind"] == "archive" and job["status"] == "archived"]
    said: Counter[str] = Counter()
    for job in archived[:_LOOKED_AT]:
        try:
            answer = session.client.get("chunks", "why", hypertable=job["hypertable"], chunk=job["chunk"])
        except CommandError:
            # the chunk has just gone, or the service has other troubles: the archives are done all the same
            return
        said.update(chunk["next_step"]["text"] for chunk in answer["chunks"] if chunk["job_id"] == job["job_id"])
    for text, chunks in said.items():
        session.output.note(f"{counted(chunks, 'chunk')}: {text}")
    if len(archived) > _LOOKED_AT:
        session.output.note(f"`archival why {archived[0]['hypertable']}` tells the same of the others")


def _share(job: Job) -> float:
    """How much of a job is done."""
    if job["status"] not in _LIVE:
        return 1.0
    if job["rows"] and job["rows_done"]:
        return min(1.0, float(job["rows_done"] / job["rows"]))
    return float(job["parts_done"] / job["parts"]) if job["parts"] else 0.0


def _state(found: Mapping[str, Job], live: Sequence[str], *, named: bool) -> str:
    text = f"{len(found) - len(live)} of {counted(len(found), 'job')}"
    running = next((found[job_id] for job_id in live if found[job_id]["status"] == "running"), None)
    if running is None:
        waits = next((found[job_id]["error"] for job_id in live if found[job_id]["error"]), None)
        return f"{text}, waiting: {plain(str(waits.get('message') or waits.get('code')))}" if waits else text
    part = f", part {running['parts_done'] + 1} of {running['parts']}" if running["parts"] else ""
    return f"{text}; {plain(chunk_name(running['chunk']))}{part}" if named else f"{text}{part}"
