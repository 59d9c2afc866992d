"""Following jobs to their end, with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from archival_cli.client import Client
from archival_cli.output import Output, plain

_LIVE: Final = frozenset({"queued", "running"})
_SECONDS: Final = 0.5


def follow(client: Client, output: Output, jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The jobs as they have ended, in the same order."""
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
                text = f"{plain(running['chunk'])}, parts"
                bar.update(parts, description=text, total=running["parts"], completed=running["parts_done"])
            if not live:
                return list(found.values())
            time.sleep(_SECONDS)
            for job_id in live[:20]:
                found[job_id] = client.get("jobs", job_id)
