"""`settle`: what became of the rows of an archive whose table is gone."""

from __future__ import annotations

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.work import many
from archival_cli.showing.text import chunk_name


@click.command(cls=Command)
@click.argument("job_id", metavar="JOB")
@click.option(
    "--rows",
    required=True,
    type=click.Choice(("moved", "dropped")),
    help="moved: other tables have them, the archive is forgotten. dropped: the lake alone has them.",
)
@click.option("--reason", required=True, help="How you know; the audit keeps it.")
@click.option("--dry-run", is_flag=True, help="Say how many of the rows are there; nothing is recorded.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def settle(session: Session, job_id: str, rows: str, reason: str, dry_run: bool, yes: bool) -> int:
    """Say what became of an archive's rows.

    Nobody else can tell: its table is gone, and `jobs --not-removed archive-undecided` lists it. How many of its rows are in
    the hypertable is shown, and you are asked, unless --yes is given.
    """
    job = session.names.job(job_id)
    body = {"rows": rows, "reason": reason}
    if dry_run or not yes:
        looked = session.client.send("POST", "jobs", job, "settle", body=body | {"dry_run": True}, again=True)
        chunk = chunk_name(looked["job"]["chunk"])
        if looked["rows_there"] is None:
            there = f"nobody can tell how many of the rows of {chunk} are in {looked['job']['hypertable']}: {looked['untold']}"
        else:
            there = f"{looked['rows_there']} of the rows of {chunk} are in {looked['job']['hypertable']}"
            there += ", and a later archive may have some of them" if looked["later_archive"] else ""
        if dry_run:
            session.output.told(looked, f"{there}; nothing was recorded")
            return 0
        session.output.sentence(there)
        many.ask(session.output, _MEANS[rows])
    answer = session.client.send("POST", "jobs", job, "settle", body=body)
    session.output.told(answer, f"the archive of {chunk_name(answer['job']['chunk'])} is {answer['job']['status']}")
    return 0


_MEANS = {
    "moved": "take the archive out of its table, because other tables have the rows",
    "dropped": "let the archive stand for the rows, unless their policy forgets them, because the lake alone has them",
}
