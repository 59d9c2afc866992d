"""The commands that list."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from archival_cli.client import Client
from archival_cli.errors import REFUSED, CommandError
from archival_cli.output import CHUNKS, DEAD_LETTERS, JOBS, Output

_PAGE = 500


def jobs(client: Client, output: Output, given: Namespace) -> int:
    """`jobs`; the exit code."""
    found: list[Any] = []
    cursor = None
    while len(found) < given.limit:
        page = client.get(
            "jobs",
            hypertable=given.hypertable,
            status=given.status,
            kind=given.kind,
            error_code=given.code,
            from_=given.since,
            to=given.until,
            limit=min(_PAGE, given.limit - len(found)),
            cursor=cursor,
        )
        found += page["jobs"]
        cursor = page["next"]
        if cursor is None:
            break
    output.show({"jobs": found}, found, JOBS, "no such job")
    return 0


def chunks(client: Client, output: Output, given: Namespace) -> int:
    """`chunks`; the exit code."""
    found: list[Any] = []
    cursor = None
    while True:
        page = client.get("chunks", hypertable=given.hypertable, limit=_PAGE, cursor=cursor)
        found += [chunk for chunk in page["chunks"] if not given.state or chunk["state"] in given.state]
        cursor = page["next"]
        if cursor is None:
            break
    output.show({"hypertable": given.hypertable, "chunks": found}, found, CHUNKS, "no such chunk")
    return 0


def status(client: Client, output: Output, given: Namespace) -> int:
    """`status`; the exit code, 1 if a dependency does not answer."""
    _, ready = client.look("health", "ready")
    if not isinstance(ready, dict) or "checks" not in ready:
        raise CommandError("there is no archival_service at this address", REFUSED)
    answer = {
        "ready": ready,
        "intake": client.get("intake"),
        "live": client.get("jobs", status=["queued", "running"], limit=_PAGE)["jobs"],
        "failed": client.get("jobs", status="failed", limit=20)["jobs"],
        "dead_letters": client.get("dead-letters", limit=20)["dead_letters"],
    }
    if output.as_json:
        output.document(answer)
    else:
        for name, told in ready["checks"].items():
            output.say(f"{name:10} {told}")
        output.say(f"intake     {'paused: ' + (answer['intake']['reason'] or '') if answer['intake']['paused'] else 'open'}")
        for title, columns, empty in (
            ("live", JOBS, "no job is on its way"),
            ("failed", JOBS, "no job has failed"),
            ("dead_letters", DEAD_LETTERS, "no dead letters"),
        ):
            output.show(answer, answer[title], columns, empty)
    return 0 if ready["status"] == "ok" else REFUSED
