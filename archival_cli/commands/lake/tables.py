"""`tables`: the tables in the lake, and their logs."""

from __future__ import annotations

import click

from archival_cli.command import Command, Group, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.showing.columns import TABLES
from archival_cli.showing.text import counted


@click.group(cls=Group)
def tables() -> None:
    """The tables in the lake."""


@tables.command("list", cls=Command)
@pass_session
def list_(session: Session) -> int:
    """List the tables: version, rows, and what is wrong."""
    answer = session.client.get("tables")
    session.output.show(answer, answer["tables"], TABLES, "there is no table in the lake yet")
    return 0


@tables.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@pass_session
def rebuild(session: Session, hypertable: str) -> int:
    """Make the log of a table anew, from the ledger."""
    name = session.names.hypertable(hypertable)
    found = session.client.send("POST", "tables", "rebuild", body={"hypertable": name})
    session.output.told(found, f"the log of {name} is made anew, with {counted(found['archives'], 'archive')}")
    return 0
