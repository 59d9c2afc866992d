"""Every command of `archival`. A new command is a file in a room of `commands/` and a line in `_COMMANDS`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

import click

from archival_cli.command import Group
from archival_cli.commands.hypertables.archive import archive
from archival_cli.commands.hypertables.chunks import chunks, hypertables
from archival_cli.commands.hypertables.policies import policies
from archival_cli.commands.hypertables.restore import restore
from archival_cli.commands.hypertables.why import why
from archival_cli.commands.lake.source import marks, source
from archival_cli.commands.lake.tables import tables
from archival_cli.commands.lake.verification import findings, verify
from archival_cli.commands.questions.export import export
from archival_cli.commands.questions.sql import sql
from archival_cli.commands.setup.completion import completion
from archival_cli.commands.setup.cost import cost
from archival_cli.commands.setup.login import login, logout, profiles
from archival_cli.commands.work.audit import audit
from archival_cli.commands.work.dead_letters import dead_letters
from archival_cli.commands.work.events import events
from archival_cli.commands.work.intake import pause, resume
from archival_cli.commands.work.jobs import cancel, dismiss, job, jobs, retry, undismiss
from archival_cli.commands.work.settle import settle
from archival_cli.commands.work.status import status

#: In the order of `archival --help`. What a command needs besides click and rich is imported when the command runs.
_COMMANDS: Final[tuple[click.Command, ...]] = (
    status,
    hypertables,
    chunks,
    why,
    sql,
    export,
    jobs,
    job,
    archive,
    restore,
    retry,
    cancel,
    dismiss,
    undismiss,
    settle,
    policies,
    verify,
    findings,
    events,
    dead_letters,
    pause,
    resume,
    audit,
    tables,
    source,
    marks,
    login,
    logout,
    profiles,
    cost,
    completion,
)


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked or context.resilient_parsing:
        return
    try:
        found = version("archival-service")
    except PackageNotFoundError:
        found = "of a checkout, not installed"
    click.echo(f"archival {found}")
    context.exit()


@click.group(
    cls=Group,
    epilog="Exit codes: 0 done; 1 refused, or a job failed; 2 not understood; 3 the service does not answer, or does not know"
    " the key.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version, and end."
)
def archival() -> None:
    """Archives of TimescaleDB chunks and PostgreSQL partitions: see what is where, ask for work, and decide."""


for _command in _COMMANDS:
    archival.add_command(_command)
