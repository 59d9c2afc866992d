"""The commands that list and decide."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from archival_cli.client import Client
from archival_cli.errors import REFUSED, CommandError
from archival_cli.output import CHUNKS, DEAD_LETTERS, JOBS, POLICIES, WANTED, Output

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


def dead_letters(client: Client, output: Output, given: Namespace) -> int:
    """`dead-letters`; the exit code."""
    if given.action == "list":
        found: list[Any] = []
        after = None
        while True:
            page = client.get("dead-letters", limit=_PAGE, after=after)
            found += page["dead_letters"]
            after = page["next"]
            if after is None:
                break
        output.show({"dead_letters": found, "discarded": page["discarded"]}, found, DEAD_LETTERS, "no dead letters")
        return 0
    entry_id = _needed(given.entry_id, "which entry?")
    body = {"reason": _needed(given.reason, "why? Give --reason")} if given.action == "discard" else None
    client.send("POST", "dead-letters", entry_id, given.action, body=body)
    _done(output, f"{entry_id} is {'replayed' if given.action == 'replay' else 'discarded'}")
    return 0


def policies(client: Client, output: Output, given: Namespace) -> int:
    """`policies`; the exit code."""
    if given.action == "list":
        answer = client.get("policies")
        output.show(answer, answer["policies"], POLICIES, "no policies")
        return 0
    hypertable = _needed(given.hypertable, "which hypertable?")
    if given.action == "delete":
        client.send("DELETE", "policies", hypertable)
        _done(output, f"{hypertable} has no policy any more")
        return 0
    body: dict[str, object] = {"archive_after": _needed(given.archive_after, "from which age on? Give --archive-after")}
    if given.action == "preview":
        answer = client.send("POST", "policies", "preview", body={**body, "hypertable": hypertable})
        output.show(answer, answer["chunks"], WANTED, "nothing is due")
        return 0
    answer = client.send(
        "PUT", "policies", hypertable, body={**body, "remove_after": given.remove_after, "enabled": not given.disabled}
    )
    output.show(answer, [answer], POLICIES, "")
    return 0


def intake(client: Client, output: Output, given: Namespace) -> int:
    """`pause` and `resume`; the exit code."""
    body = {"reason": given.reason} if given.command == "pause" and given.reason else None
    answer = client.send("POST", "intake", given.command, body=body)
    if output.as_json:
        output.document(answer)
    else:
        output.say("the intake is paused" if answer["paused"] else "the intake goes on")
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


def _needed(value: str | None, question: str) -> str:
    if not value:
        raise CommandError(question, 2)
    return value


def _done(output: Output, text: str) -> None:
    if output.as_json:
        output.document({"done": True})
    else:
        output.say(text)
