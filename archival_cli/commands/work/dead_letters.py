"""`dead-letters`: events that could not be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from archival_cli.command import Group, Session, pass_session
from archival_cli.commands.work import many
from archival_cli.showing.columns import DEAD_LETTERS


def _filter(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags by which dead letters are chosen."""
    options = (
        click.option("--code", multiple=True, help="Whose reason begins with one of these codes; may be repeated."),
        click.option("--text", help="Whose reason says this somewhere."),
        click.option("--kind", type=click.Choice(("event", "message")), help="A message is one of a queue that names no job."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group("dead-letters", cls=Group, default="list")
def dead_letters() -> None:
    """Events that could not be used."""


@dead_letters.command("list")
@_filter
@pass_session
def list_letters(session: Session, code: tuple[str, ...], text: str | None, kind: str | None) -> int:
    """List dead letters, the oldest first."""
    found = session.client.all("dead-letters", "dead_letters", after="after", error_code=code or None, text=text, kind=kind)
    session.output.show({"dead_letters": found}, found, DEAD_LETTERS, "no dead letters")
    return 0


@dead_letters.command()
@click.argument("entry_id", metavar="[ENTRY]...", nargs=-1)
@_filter
@many.between
@many.choosing
@pass_session
def replay(session: Session, /, entry_id: tuple[str, ...], meant: many.Meant, **chosen: Any) -> int:
    """Put events back into the event stream.

    They come as they came at first, and may be buried again.
    """
    return _many(session, "replay", entry_id, meant, chosen, {}, "replayed")


@dead_letters.command()
@click.argument("entry_id", metavar="[ENTRY]...", nargs=-1)
@click.option("--reason", required=True, help="Why they are given up; the ledger keeps it.")
@_filter
@many.between
@many.choosing
@pass_session
def discard(session: Session, /, entry_id: tuple[str, ...], reason: str, meant: many.Meant, **chosen: Any) -> int:
    """Give entries up.

    The ledger keeps what they were, who gave them up, and why.
    """
    return _many(session, "discard", entry_id, meant, chosen, {"reason": reason}, "discarded")


def _many(
    session: Session,
    action: str,
    entry_ids: tuple[str, ...],
    meant: many.Meant,
    chosen: dict[str, Any],
    besides: dict[str, object],
    done: str,
) -> int:
    wanted = many.selection(meant, entry_ids, text=chosen["text"], **many.usual(chosen))
    if entry := many.alone(entry_ids, meant):
        session.client.send("POST", "dead-letters", entry, action, body=besides or None)
        session.output.told({"done": True}, f"{entry} is {done}")
        return 0
    bodies = many.bodies_of("entry_ids", many.named(entry_ids), {**wanted, **besides})
    return many.run(session, meant, ("dead-letters", action), bodies, f"dead letters are {done}")
