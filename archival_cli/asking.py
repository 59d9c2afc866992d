"""The commands that ask for work and follow it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from archival_cli.client import Client
from archival_cli.errors import REFUSED
from archival_cli.follow import follow
from archival_cli.output import HISTORY, JOBS, WANTED, Output, count, size


def archive(client: Client, output: Output, given: Namespace) -> int:
    """`archive`; the exit code."""
    body = _given(
        hypertable=given.hypertable,
        chunk=given.chunk,
        older_than=_bound(given.older_than),
        **{"from": _bound(given.since), "to": _bound(given.until)},
        remove=given.remove,
        force=given.force or None,
        dry_run=given.dry_run or None,
    )
    # a key of its own: asked again after a lost answer, it is still one request
    answer = client.send("POST", "archives", body=body, key=str(uuid4()))
    if given.dry_run:
        output.show(answer, answer["chunks"], WANTED, "no chunk is meant")
        if not output.as_json:
            told = f"{len(answer['chunks'])} chunks, about {count(answer['rows_estimated'])} rows, {size(answer['bytes'])}"
            output.say(f"{told}; nothing was recorded")
        return 0
    return _jobs(client, output, answer["jobs"], following=given.follow, empty="no chunk is meant")


def restore(client: Client, output: Output, given: Namespace) -> int:
    """`restore`; the exit code."""
    body = _given(
        hypertable=given.hypertable,
        chunk=given.chunk,
        all=given.all or None,
        into=given.into,
        recreate=given.recreate or None,
        **{"from": _bound(given.since), "to": _bound(given.until)},
    )
    answer = client.send("POST", "restores", body=body, key=str(uuid4()))
    return _jobs(client, output, answer["jobs"], following=given.follow, empty="no archive is meant")


def job(client: Client, output: Output, given: Namespace) -> int:
    """`job`; the exit code."""
    found = client.get("jobs", given.job_id)
    [found] = follow(client, output, [found]) if given.follow else [found]
    if output.as_json:
        output.document(found)
    else:
        output.one({name: value for name, value in found.items() if name != "history"})
        if found["history"]:
            output.show(found["history"], found["history"], HISTORY, "")
    return REFUSED if found["status"] == "failed" else 0


def _jobs(client: Client, output: Output, jobs: Sequence[Mapping[str, Any]], *, following: bool, empty: str) -> int:
    ended = follow(client, output, jobs) if following else jobs
    output.show({"jobs": ended}, ended, JOBS, empty)
    return REFUSED if any(found["status"] == "failed" for found in ended) else 0


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _bound(text: str | None) -> str | int | None:
    """An integer for integer time; a time is left to the service."""
    if text is not None and text.lstrip("+-").isascii() and text.lstrip("+-").isdigit():
        return int(text)
    return text
