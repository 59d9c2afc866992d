"""`restore`: bring archived rows back."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.commands.work import many
from archival_cli.commands.work.following import ended
from archival_cli.errors import MISUSED, CommandError
from archival_cli.showing.columns import RESTORABLE
from archival_cli.showing.text import counted, size
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
@click.option("--dry-run", is_flag=True, help="Say which archives, rows and bytes; nothing is recorded.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
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
    dry_run: bool,
    yes: bool,
    follow: bool,
) -> int:
    """Bring archived rows back.

    They go into their hypertable, or with --into into a table of its own. Archives, rows and bytes are shown, and you are
    asked, unless --yes is given.
    """
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
    if dry_run or not yes:
        meant = session.client.send("POST", "restores", body=given | {"dry_run": True}, again=True)
        if dry_run or session.output.for_people:
            session.output.show(meant, meant["archives"], RESTORABLE, "no archive is meant")
        told = f"{counted(len(meant['archives']), 'archive')}, {counted(meant['rows'], 'row')}: {size(meant['parquet_bytes'])}"
        told += f" in the lake, {size(meant['source_bytes'])} in the database when it was archived"
        if dry_run:
            session.output.sentence(f"{told}; nothing was recorded")
            return 0
        many.ask(session.output, f"restore {told}, {f'into {into}' if into else f'back into {table}'}")
    answer = session.client.send("POST", "restores", body=given, key=str(uuid4()))
    return ended(session, answer["jobs"], following=follow, empty="no archive is meant")
