"""Following jobs to their end, with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from archival_cli.command import Session
from archival_cli.errors import REFUSED
from archival_cli.service.client import Client
from archival_cli.showing.columns import JOBS
from archival_cli.showing.output import Output
from archival_cli.showing.text import chunk_name, plain

_LIVE: Final = frozenset({"queued", "running"})
_SECONDS: Final = 0.5


def ended(session: Session, jobs: Sequence[Mapping[str, Any]], *, following: bool, empty: str) -> int:
    """Show jobs that were just asked for, `following` them to their end or not; the exit code."""
    found = follow(session.client, session.output, jobs) if following else jobs
    session.output.show({"jobs": found}, found, JOBS, empty)
    return REFUSED if any(job["status"] == "failed" for job in found) else 0


def follow(client: Client, output: Output, jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The jobs as they have ended, in the same order."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    found = {job["job_id"]: job for job in jobs}
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.aside,
        transient=True,
    )
    with bar:
        whole = bar.add_task("jobs", total=len(found))
        parts = bar.add_task("parts", total=None, visible=False)
        while True:
            live = [job_id for job_id, job in found.items() if job["status"] in _LIVE]
            bar.update(whole, completed=len(found) - len(live))
            running = next((found[job_id] for job_id in live if found[job_id]["status"] == "running"), None)
            known = running is not None and running["parts"] > 0
            bar.update(parts, visible=known)
            if running is not None and known:
                text = f"{plain(chunk_name(running['chunk']))}, parts"
                bar.update(parts, description=text, total=running["parts"], completed=running["parts_done"])
            if not live:
                return list(found.values())
            time.sleep(_SECONDS)
            for job_id in live[:20]:
                found[job_id] = client.get("jobs", job_id)
