"""`source` and `marks`: which source the lake belongs to, and the marks that it has of archives."""

from __future__ import annotations

import click

from archival_cli.command import Group, Session, pass_session
from archival_cli.showing.text import counted


@click.group(cls=Group)
def source() -> None:
    """Which source the lake belongs to."""


@source.command()
@pass_session
def takeover(session: Session) -> int:
    """Make this service's source the lake's owner. End the other service first."""
    found = session.client.send("POST", "source", "takeover")
    session.output.told(found, f"the lake belongs to database {found['database']} on {found['host']} from now on")
    return 0


@click.group(cls=Group)
def marks() -> None:
    """The marks that the source has of archives."""


@marks.command()
@pass_session
def rebuild(session: Session) -> int:
    """Write the marks again, where they were lost or not dumped."""
    found = session.client.send("POST", "source", "marks", "rebuild")
    session.output.told(found, f"the next runs of reconcile write {counted(found['owed'], 'mark')}")
    return 0
