"""`archive`: ask for archives of chunks."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.commands.work.following import ended
from archival_cli.errors import MISUSED, CommandError
from archival_cli.showing.columns import WANTED
from archival_cli.showing.text import count, counted, size
from archival_cli.times import BOUND


@click.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@click.option("--chunk", help="This chunk alone; its name may be given without a schema.")
@click.option("--older-than", type=BOUND, help="Every chunk that ends by then: 30d (so long ago), or 2026-01-06.")
@click.option("--from", "since", type=BOUND, help="With --to: only chunks that begin no earlier.")
@click.option("--to", "until", type=BOUND, help="Every chunk that ends by then.")
@click.option("--remove/--keep", default=None, help="Drop the chunks afterwards, or keep them whatever the policy says.")
@click.option("--force", is_flag=True, help="Again, as a new revision, what is archived already.")
@click.option("--dry-run", is_flag=True, help="Say what would be archived; nothing is recorded.")
@click.option("--follow", is_flag=True, help="Until all have ended.")
@pass_session
def archive(
    session: Session,
    hypertable: str,
    chunk: str | None,
    older_than: str | int | None,
    since: str | int | None,
    until: str | int | None,
    remove: bool | None,
    force: bool,
    dry_run: bool,
    follow: bool,
) -> int:
    """Archive chunks: by name, by age, or by a range of time."""
    if sum(given is not None for given in (chunk, older_than, until)) != 1:
        raise CommandError("which chunks? Give one of --chunk, --older-than, or --to with or without --from", MISUSED)
    if since is not None and until is None:
        raise CommandError("--from needs --to: where does the range end?", MISUSED)
    table = session.names.hypertable(hypertable)
    body: dict[str, Any] = {
        "hypertable": table,
        "chunk": session.names.chunk(table, chunk) if chunk else None,
        "older_than": older_than,
        "from": since,
        "to": until,
        "remove": remove,
        "force": force or None,
    }
    given = {name: value for name, value in body.items() if value is not None}
    sizes = {}
    if dry_run or follow:
        meant = session.client.send("POST", "archives", body=given | {"dry_run": True}, again=True)
        sizes = {chunk["chunk"]: chunk["bytes"] or 0 for chunk in meant["chunks"]}
    if dry_run:
        session.output.show(meant, meant["chunks"], WANTED, "no chunk is meant")
        if not meant["chunks"]:
            return 0
        told = f"about {count(meant['rows_estimated'])} rows, {size(meant['bytes'])}; nothing was recorded"
        session.output.say(f"{counted(len(meant['chunks']), 'chunk')}, {told}")
        return 0
    # a key of its own: asked again after a lost answer, it is still one request
    answer = session.client.send("POST", "archives", body=given, key=str(uuid4()))
    return ended(session, answer["jobs"], following=follow, empty="no chunk is meant", sizes=sizes)
