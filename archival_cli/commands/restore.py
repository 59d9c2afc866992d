"""`restore`: bring archived rows back."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.commands.following import ended
from archival_cli.errors import MISUSED, CommandError
from archival_cli.times import BOUND


@click.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@click.option("--chunk", help="This chunk alone; its name may be given without a schema.")
@click.option("--from", "since", type=BOUND, help="Only archives that overlap the range.")
@click.option("--to", "until", type=BOUND, help="Only archives that overlap the range.")
@click.option("--all", "everything", is_flag=True, help="Every archive, instead of --chunk, --from or --to.")
@click.option("--into", help="A table of its own; without it the rows go back where they were.")
@click.option("--recreate", is_flag=True, help="Make the hypertable again if it is gone.")
@click.option("--beside", is_flag=True, help="Other rows may be in the archive's range already.")
@click.option("--fire-triggers", is_flag=True, help="The table's own triggers fire for rows that come back.")
@click.option("--follow", is_flag=True, help="Until all have ended.")
@pass_session
def restore(
    session: Session,
    hypertable: str,
    chunk: str | None,
    since: str | int | None,
    until: str | int | None,
    everything: bool,
    into: str | None,
    recreate: bool,
    beside: bool,
    fire_triggers: bool,
    follow: bool,
) -> int:
    """Bring archived rows back: into their hypertable, or into a table of their own."""
    if everything == any(given is not None for given in (chunk, since, until)):
        raise CommandError("which archives? Give --chunk, --from and --to, or --all", MISUSED)
    table = session.names.hypertable(hypertable)
    body: dict[str, Any] = {
        "hypertable": table,
        "chunk": session.names.chunk(table, chunk) if chunk else None,
        "from": since,
        "to": until,
        "all": everything or None,
        "into": into,
        "recreate": recreate or None,
        "beside": beside or None,
        "fire_triggers": fire_triggers or None,
    }
    given = {name: value for name, value in body.items() if value is not None}
    answer = session.client.send("POST", "restores", body=given, key=str(uuid4()))
    return ended(session, answer["jobs"], following=follow, empty="no archive is meant")
