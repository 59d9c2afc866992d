"""`audit`: who asked for which change."""

from __future__ import annotations

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.showing.columns import AUDIT


@click.command(cls=Command)
@click.option("--text", help="Only where who, the action or what was asked for has this in it.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, at most.")
@pass_session
def audit(session: Session, text: str | None, limit: int) -> int:
    """List who asked for which change, and what came of it."""
    found = session.client.all("audit", "entries", most=limit + 1, after="before", text=text)
    shown = found[:limit]
    session.output.show({"entries": shown}, shown, AUDIT, "no such entry" if text else "nobody has asked for a change")
    if len(found) > limit and session.output.for_people:
        session.output.note(f"the newest {limit}; there are more: --limit {10 * limit}")
    return 0
