"""`jobs`, `job`, `retry`, `cancel`, `dismiss` and `undismiss`: what was asked for, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE, JOB_KINDS, JOB_STATUSES
from archival_cli.commands.work import many
from archival_cli.commands.work.following import follow, tell_removals
from archival_cli.errors import REFUSED
from archival_cli.showing.columns import HISTORY, JOBS
from archival_cli.showing.job import facts_of
from archival_cli.showing.text import chunk_name, count, short_id


def _filter(statuses: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The flags by which jobs are chosen."""
    by_status = click.option("--status", multiple=True, type=click.Choice(statuses), help="Any of these; may be repeated.")
    options: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
        click.option("--hypertable", type=HYPERTABLE, help="With or without its schema."),
        *([by_status] if statuses else []),
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
@click.option("--not-removed", "refused", metavar="CODE", multiple=True, help="Whose chunk may not leave, for this code.")
@click.option("--open", "is_open", is_flag=True, help="Only failures that were neither made up for nor dismissed.")
@click.option("--dismissed", "is_dismissed", is_flag=True, help="Only failures that somebody dismissed, with who and why.")
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
    refused: tuple[str, ...],
    is_open: bool,
    is_dismissed: bool,
    limit: int,
) -> int:
    """List jobs, the newest first."""
    pages = list(
        session.client.pages(
            "jobs",
            "jobs",
            most=limit,
            hypertable=session.names.hypertable(hypertable) if hypertable else None,
            status=status or None,
            kind=kind or None,
            error_code=code or None,
            from_=since,
            to=until,
            removal_error_code=refused or None,
            open=True if is_open else None,
            dismissed=True if is_dismissed else None,
        )
    )
    found = [one for page in pages for one in page["jobs"]]
    total = pages[0]["total"]
    session.output.show({"jobs": found, "total": total}, found, JOBS, "no such job")
    if not found and (code or refused) and session.output.for_people:
        _tell_codes(session)
    if pages[-1]["next"] is not None and session.output.for_people:
        of = "more" if total is None else count(total)
        session.output.note(f"the newest {count(len(found))} of {of}; --limit shows more of them")
    return 0


def _tell_codes(session: Session) -> None:
    """Codes are many, and easily misspelt: which of them there are now."""
    now = session.client.get("dashboard", "overview")
    for what, groups in (("failures that are open have", now["failures"]), ("removals are refused for", now["refusals"])):
        if groups:
            session.output.note(f"{what} {', '.join(group['code'] for group in groups)}")


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
        session.output.facts(facts_of(found))
        if found["history"]:
            session.output.say("")
            session.output.show(found["history"], found["history"], HISTORY, "")
        if following:
            tell_removals(session, [found])
    return REFUSED if found["status"] == "failed" else 0


@click.command(cls=Command)
@click.argument("job_id", metavar="[JOB]...", nargs=-1)
@_filter(("failed", "cancelled"))
@many.choosing
@pass_session
def retry(session: Session, /, job_id: tuple[str, ...], meant: many.Meant, **chosen: Any) -> int:
    """Queue failed or cancelled jobs again.

    Name them by their ids (`-` reads ids from the standard input), by a filter, or by --all.
    """
    # whoever names a cancelled job means to retry this job
    status: dict[str, object] = {"status": ["failed", "cancelled"]} if job_id and not chosen["status"] else {}
    return _many(session, "retry", job_id, meant, chosen, status, "jobs are queued again")


@click.command(cls=Command)
@click.argument("job_id", metavar="[JOB]...", nargs=-1)
@_filter(("queued", "running"))
@many.choosing
@pass_session
def cancel(session: Session, /, job_id: tuple[str, ...], meant: many.Meant, **chosen: Any) -> int:
    """End queued or running jobs.

    Name them by their ids (`-` reads ids from the standard input), by a filter, or by --all.
    """
    return _many(session, "cancel", job_id, meant, chosen, {}, "jobs are cancelled")


@click.command(cls=Command)
@click.argument("job_id", metavar="[JOB]...", nargs=-1)
@click.option("--reason", required=True, help="Why nobody need look at them; the ledger keeps it.")
@_filter(())
@many.choosing
@pass_session
def dismiss(session: Session, /, job_id: tuple[str, ...], reason: str, meant: many.Meant, **chosen: Any) -> int:
    """Take known failures off the list of failures.

    The jobs stay failed, and can be retried. Name them by their ids (`-` reads ids from the standard input), by a filter, or by
    --all.
    """
    return _many(session, "dismiss", job_id, meant, chosen, {"reason": reason}, "failures are dismissed")


@click.command(cls=Command)
@click.argument("job_id", metavar="[JOB]...", nargs=-1)
@_filter(())
@many.choosing
@pass_session
def undismiss(session: Session, /, job_id: tuple[str, ...], meant: many.Meant, **chosen: Any) -> int:
    """Put dismissed failures back on the list of failures.

    Name them by their ids (`-` reads ids from the standard input), by a filter, or by --all.
    """
    return _many(session, "undismiss", job_id, meant, chosen, {}, "failures wait for somebody again")


def _many(
    session: Session,
    action: str,
    job_ids: tuple[str, ...],
    meant: many.Meant,
    chosen: dict[str, Any],
    besides: dict[str, object],
    what: str,
) -> int:
    hypertable = session.names.hypertable(chosen["hypertable"]) if chosen["hypertable"] else None
    wanted = many.selection(meant, job_ids, hypertable=hypertable, status=chosen.get("status"), **many.usual(chosen))
    alone = many.alone(job_ids, meant)
    # one failure is dismissed as many are, because its reason goes with the request
    if alone and action in ("retry", "cancel"):
        found = session.client.send("POST", "jobs", session.names.job(alone), action)
        session.output.told(found, f"job {short_id(found['job_id'])} ({chunk_name(found['chunk'])}) is {found['status']}")
        return 0
    named = many.named(job_ids)
    ids = None if named is None else [session.names.job(one) for one in named]
    return many.run(session, meant, ("jobs", action), many.bodies_of("job_ids", ids, {**wanted, **besides}), what)
