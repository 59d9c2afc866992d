"""`hypertables` and `chunks`: where rows are."""

from __future__ import annotations

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.showing.columns import CHUNKS, HYPERTABLES

_STATES = ("in-database", "queued", "running", "archived", "removed", "restoring", "failed")


@click.command(cls=Command)
@pass_session
def hypertables(session: Session) -> int:
    """List hypertables with their sizes, policies and troubles.

    Partitioned tables are among them, and tables that only have archives left. Freed is what has left the database and is
    still out, this month's the part of it that left since the first.
    """
    answer = session.client.get("dashboard", "hypertables")
    session.output.show(answer, answer["hypertables"], HYPERTABLES, "the source has no hypertable")
    return 0


@click.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@click.option("--state", multiple=True, type=click.Choice(_STATES), help="Only these; may be repeated.")
@pass_session
def chunks(session: Session, hypertable: str, state: tuple[str, ...]) -> int:
    """List a hypertable's chunks, and where their rows are."""
    name = session.names.hypertable(hypertable)
    found = [{"hypertable": name, **chunk} for chunk in session.names.chunks(name) if not state or chunk["state"] in state]
    empty = f"{name} has no chunk that is {' or '.join(state)}" if state else f"{name} has no chunk"
    session.output.show({"hypertable": name, "chunks": found}, found, CHUNKS, empty)
    return 0
