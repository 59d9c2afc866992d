"""`hypertables` and `chunks`: where rows are."""

from __future__ import annotations

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.showing.columns import CHUNKS, HYPERTABLES

_STATES = ("in-database", "queued", "running", "archived", "removed", "restoring", "failed")
_STEPS = ("archive", "remove", "restore", "nothing")
#: why the next step is not done yet, as `archival why` says it
_REASONS = (
    *("no-policy", "policy-off", "policy-problem", "no-end", "not-due", "paused", "due", "queued", "waiting", "running"),
    *("failed", "dismissed", "cancelled", "restored", "kept-by-request", "kept-by-policy", "kept-by-default"),
    *("grace", "siblings", "refused", "removed", "restoring"),
)


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
@click.option(
    "--state", multiple=True, type=click.Choice(_STATES), help="Only these; may be repeated, as each of the next three."
)
@click.option("--step", multiple=True, type=click.Choice(_STEPS), help="Whose next step is this.")
@click.option(
    "--because", multiple=True, type=click.Choice(_REASONS), metavar="REASON", help="Whose next step has this reason."
)
@click.option("--code", multiple=True, metavar="CODE", help="Whose next step is held up by this error.")
@click.option("--in-database/--gone", default=None, help="Chunks that are in the database, or archives whose chunk is not.")
@pass_session
def chunks(
    session: Session,
    hypertable: str,
    state: tuple[str, ...],
    step: tuple[str, ...],
    because: tuple[str, ...],
    code: tuple[str, ...],
    in_database: bool | None,
) -> int:
    """List a hypertable's chunks, and where their rows are."""
    name = session.names.hypertable(hypertable)
    wanted = {"state": state, "step": step, "because": because, "code": code, "in_database": in_database}
    found = [{"hypertable": name, **chunk} for chunk in session.names.chunks(name, **wanted)]
    is_narrowed = in_database is not None or any((state, step, because, code))
    empty = f"{name} has no such chunk" if is_narrowed else f"{name} has no chunk"
    session.output.show({"hypertable": name, "chunks": found}, found, CHUNKS, empty)
    return 0
