"""`jobs`, `job`, `retry` and `cancel`: what was asked for, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands import many
from archival_cli.commands.arguments import HYPERTABLE, JOB_KINDS, JOB_STATUSES
from archival_cli.commands.following import follow
from archival_cli.errors import REFUSED
from archival_cli.showing.columns import HISTORY, JOBS


def _filter(statuses: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The flags by which jobs are chosen."""
    options = (
        click.option("--hypertable", type=HYPERTABLE, help="With or without its schema."),
        click.option("--status", multiple=True, type=click.Choice(statuses), help="Any of these; may be repeated."),
        click.option("--kind", multiple=True, type=click.Choice(JOB_KINDS), help="Any of these; may be repeated."),
        click.option("--code", multiple=True, help="Whose error has one of these codes; may be repeated."),
        many.between,
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.command(cls=Command)
@_filter(JOB_STATUSES)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, at most.")
@pass_session
def jobs(
    session: Session,
    hypertable: str | None,
    status: tuple[str, ...],
    kind: tuple[str, ...],
    code: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
) -> int:
    """List jobs, the newest first."""
    found = session.client.all(
        "jobs",
        "jobs",
        # one more than is shown tells whether there are more
        most=limit + 1,
        hypertable=session.names.hypertable(hypertable) if hypertable else None,
        status=status or None,
        kind=kind or None,
        error_code=code or None,
        from_=since,
        to=until,
    )
    shown = found[:limit]
    session.output.show({"jobs": shown}, shown, JOBS, "no such job")
    if len(found) > limit and session.output.for_people:
        session.output.note(f"the newest {limit}; there are more: --limit {10 * limit}")
    return 0


@click.command(cls=Command)
@click.argument("job_id", metavar="JOB")
@click.option("--follow", "following", is_flag=True, help="Until it has ended.")
@pass_session
def job(session: Session, job_id: str, following: bool) -> int:
    """Show one job, and how it came to its status. The first digits of its id are enough."""
    found = session.client.get("jobs", session.names.job(job_id))
    if following:
        [found] = follow(session, [found])
    if not session.output.for_people:
        session.output.document(found)
    else:
        session.output.one({name: value for name, value in found.items() if name != "history"})
        if found["history"]:
            session.output.show(found["history"], found["history"], HISTORY, "")
    return REFUSED if found["status"] == "failed" else 0


@click.command(cls=Command)
@click.argument("job_id", metavar="[JOB]...", nargs=-1)
@_filter(("failed", "cancelled"))
@many.choosing
@pass_session
def retry(session: Session, /, job_id: tuple[str, ...], everything: bool, dry_run: bool, yes: bool, **chosen: Any) -> int:
    """Queue failed or cancelled jobs again: by their ids (`-` reads them from the standard input), a filter, or --all."""
    # whoever names a cancelled job means to retry this job
    status: dict[str, object] = {"status": ["failed", "cancelled"]} if job_id and not chosen["status"] else {}
    meant = many.Meant(everything, dry_run, yes)
    return _many(session, "retry", job_id, meant, chosen, status, "jobs are queued again")


@click.command(cls=Command)
@click.argument("job_id", metavar="[JOB]...", nargs=-1)
@_filter(("queued", "running"))
@many.choosing
@pass_session
def cancel(session: Session, /, job_id: tuple[str, ...], everything: bool, dry_run: bool, yes: bool, **chosen: Any) -> int:
    """End queued or running jobs: by their ids (`-` reads them from the standard input), a filter, or --all."""
    return _many(session, "cancel", job_id, many.Meant(everything, dry_run, yes), chosen, {}, "jobs are cancelled")


def _many(
    session: Session,
    action: str,
    job_ids: tuple[str, ...],
    meant: many.Meant,
    chosen: dict[str, Any],
    status: dict[str, object],
    what: str,
) -> int:
    body = many.selection(
        meant,
        job_ids,
        hypertable=session.names.hypertable(chosen["hypertable"]) if chosen["hypertable"] else None,
        kind=chosen["kind"],
        error_code=chosen["code"],
        from_=chosen["since"],
        to=chosen["until"],
        status=chosen["status"],
    )
    if len(job_ids) == 1 and job_ids != ("-",) and not meant.dry_run:
        session.output.one(session.client.send("POST", "jobs", session.names.job(job_ids[0]), action))
        return 0
    named = [session.names.job(one) for one in many.named(job_ids)]
    bodies = many.by_name(named, "job_ids", {**body, **status}) if job_ids else [body]
    return many.run(session, meant, ("jobs", action), bodies, what)
