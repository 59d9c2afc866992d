"""`pause` and `resume`: whether events and policies become jobs."""

from __future__ import annotations

import click

from archival_cli.command import Command, Session, pass_session


@click.command(cls=Command)
@click.option("--reason", help="Why; `status` and the console show it.")
@pass_session
def pause(session: Session, reason: str | None) -> int:
    """Take no events and follow no policies, until `resume`. Jobs that are queued go on."""
    answer = session.client.send("POST", "intake", "pause", body={"reason": reason} if reason else None, again=True)
    session.output.told(answer, "paused: no event is taken, no policy asks; queued jobs go on (`archival resume`)")
    return 0


@click.command(cls=Command)
@pass_session
def resume(session: Session) -> int:
    """Take events and follow policies again."""
    session.output.told(session.client.send("POST", "intake", "resume", again=True), "events and policies become jobs again")
    return 0
