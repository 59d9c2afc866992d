"""`events`: what the event stream holds."""

from __future__ import annotations

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.showing.columns import EVENTS


@click.command(cls=Command)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, at most.")
@pass_session
def events(session: Session, limit: int) -> int:
    """List events of the stream, and whether they were drained.

    The newest come first. An event is waiting, pending in a drain, or drained: it became jobs, or a dead letter.
    """
    found = session.client.all("events", "events", most=limit + 1, after="before")
    shown = found[:limit]
    session.output.show({"events": shown}, shown, EVENTS, "the event stream is empty")
    if len(found) > limit and session.output.for_people:
        session.output.note(f"the newest {limit}; there are more: --limit {10 * limit}")
    return 0
