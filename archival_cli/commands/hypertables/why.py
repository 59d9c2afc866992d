"""`why`: why a chunk is where it is, and when that changes."""

from __future__ import annotations

from typing import Any

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.showing.columns import JOBS, NEXT, REASONS
from archival_cli.showing.text import age, chunk_name, count, moment, range_of, size
from archival_cli.times import bound


@click.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@click.argument("chunk_or_time", metavar="[CHUNK|TIME]", required=False)
@pass_session
def why(session: Session, hypertable: str, chunk_or_time: str | None) -> int:
    """Say why a chunk is still there, and when it goes.

    Where its rows are, what happens next to them, when, and why not sooner. Give a chunk's name, or a time (2026-01-06, or
    30d for 30 days ago) for the chunks that cover it. Without either, the chunks of the hypertable are counted by what they
    wait for.
    """
    name = session.names.hypertable(hypertable)
    at = bound(chunk_or_time) if chunk_or_time else None
    chunk = chunk_or_time if at is None else None
    answer = session.client.get("chunks", "why", hypertable=name, chunk=chunk, at=at)
    output = session.output
    if output.form == "json":
        output.document(answer)
    elif chunk_or_time is None:
        output.show(answer, answer["reasons"], REASONS, f"{name} has no chunk")
        output.sentence(_rules(answer))
    elif output.form == "csv":
        output.show(answer, [{**found, **found["next_step"]} for found in answer["chunks"]], NEXT, "")
    else:
        for found in answer["chunks"]:
            _tell(session, name, found)
        output.sentence(_rules(answer))
        if answer["jobs"]:
            output.say("")
            output.show(answer, answer["jobs"], JOBS, "")
    return 0


def _tell(session: Session, hypertable: str, chunk: Any) -> None:
    step = chunk["next_step"]
    where = {True: "database", False: ""}[chunk["in_database"]]
    places = [part for part in (where, "lake" if chunk["lake_path"] else "") if part]
    rows = chunk["rows"] if chunk["rows"] is not None else chunk["rows_estimated"]
    sizes = [
        f"{size(chunk['database_bytes'])} in the database" if chunk["database_bytes"] is not None else "",
        f"{size(chunk['parquet_bytes'])} in the lake" if chunk["parquet_bytes"] is not None else "",
    ]
    facts = (
        ("chunk", f"{chunk_name(chunk['chunk'])} of {hypertable}"),
        ("range (UTC)", range_of(chunk)),
        ("rows are in", " and ".join(places) + f" ({chunk['state']})"),
        ("size", ", ".join([part for part in (f"{count(rows)} rows" if rows else "", *sizes) if part])),
        ("next", step["text"]),
        ("what to do", step["remedy"] or ""),
        ("in the lake at", chunk["lake_path"] or ""),
        ("removal tried", moment(chunk["removal_tried_at"])),
    )
    session.output.facts(facts)
    session.output.say("")


def _rules(answer: Any) -> str:
    policy = answer["policy"]
    if policy is None:
        default = "leaves the database when the grace is over" if answer["removal_by_default"] else "stays in the database"
        told = f"no policy: nothing is archived by itself, and what is archived {default}"
    else:
        leaves = f"leave after {age(policy['remove_after'])}" if policy["remove_after"] else "stay in the database"
        told = f"policy: chunks are archived after {age(policy['archive_after'])}, and {leaves}"
        told += "" if policy["enabled"] else "; it is off"
    paused = answer["paused"]
    intake = "" if paused is None else f"; the intake is paused{': ' + paused if paused else ''}"
    return f"{told}; grace {age(answer['removal_grace'])}{intake}; as of {moment(answer['now'])}"
