"""`status`: one screen that says how the service is."""

from __future__ import annotations

from typing import Any, Final

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.errors import REFUSED, UNREACHABLE, CommandError
from archival_cli.service.client import tell_health
from archival_cli.service.refusals import refusal
from archival_cli.service.transport import Answer, Silence
from archival_cli.showing.columns import FAILURES, REFUSALS
from archival_cli.showing.output import Output
from archival_cli.showing.text import chunk_name, count, counted, moment, size

#: In seconds: whoever asks how things are is answered, whatever is away.
_PATIENCE: Final = 2.7
#: That titles have room for.
_LETTERS: Final = 10


@click.command(cls=Command)
@pass_session
def status(session: Session) -> int:
    """Show on one screen how the service is.

    What answers, and since when not; what is archived and saved, what waits, what failed and why. Freed is what has left the
    database and is still out, this month's the part of it that left since the first. It is answered within three seconds,
    whatever is away. The exit code is 1 while something that the service needs does not answer, 3 while the
    service does not.
    """
    asked, health = session.client.begin("dashboard", "overview"), session.client.begin("health", "ready")
    found = asked.wait(_PATIENCE)
    if found is None or isinstance(found, Silence):
        told = found.cause if found else f"no answer within {_PATIENCE:g} s{tell_health(health.wait(0))}"
        raise CommandError(f"{session.client.url} does not answer: {told}. Nothing else is known", UNREACHABLE)
    if found.status != 200:
        _tell_refused(session.output, found)
        raise refusal(found)
    answer = found.document
    if not isinstance(answer, dict) or "away" not in answer:
        raise CommandError(f"there is no archival_service at {session.client.url}", UNREACHABLE)
    if session.output.for_people:
        _tell(session, answer)
    else:
        session.output.document(answer)
    is_well = not answer["away"] and all(one["state"] == "ok" for one in (answer["dependencies"] or {}).values())
    return 0 if is_well else REFUSED


def _tell(session: Session, answer: Any) -> None:
    output = session.output
    lines = (
        ("service", [f"{session.client.url}, as of {moment(answer['generated_at'])}"]),
        ("needs", _needs(answer)),
        ("not known", _away(answer)),
        ("intake", [_intake(answer["intake"])]),
        ("archives", _archives(answer)),
        ("at work", _work(answer)),
        ("saved", _saved(answer["money"])),
        ("events", _events(answer)),
        ("lake", _lake(answer)),
        ("behind", [_behind(one) for one in answer["behind"] or []]),
    )
    for title, told in lines:
        output.facts([(title if number == 0 else "", line) for number, line in enumerate(told)], _LETTERS)
    _tell_groups(output, answer)


def _tell_groups(output: Output, answer: Any) -> None:
    failures, refusals = answer["failures"], answer["refusals"]
    if failures:
        number = sum(group["jobs"] for group in failures)
        output.say("")
        told = f"{counted(number, 'failure')} that nobody has made up for (`archival retry` or `dismiss`, with --code):"
        output.sentence(told)
        output.show(failures, failures, FAILURES, "")
    if refusals:
        number = sum(group["chunks"] for group in refusals)
        output.say("")
        told = f"{counted(number, 'chunk')} may not leave the database yet (`archival jobs --not-removed CODE` lists them):"
        output.sentence(told)
        output.show(refusals, refusals, REFUSALS, "")


def _needs(answer: Any) -> list[str]:
    known = answer["dependencies"]
    if known is None:
        return ["not known"]
    well = [name for name, one in known.items() if one["state"] == "ok"]
    lines = [f"{', '.join(well)}: ok"] if well else []
    for name, one in known.items():
        if one["state"] != "ok":
            since = f" since {moment(one['since'])}" if one["since"] else ""
            cause = one["cause"] or one["code"] or "no cause is told"
            lines.append(f"{name} does not answer{since}: {cause}; it is asked again by itself")
    return lines


def _away(answer: Any) -> list[str]:
    """What is of before, or not there, and why; several of one cause are one line."""
    dependencies = answer["dependencies"] or {}
    causes: dict[str, list[str]] = {}
    for one in answer["away"]:
        if one["name"] in dependencies:
            continue
        before = f"; what is shown is of {moment(one['as_of'])}" if one["as_of"] else ""
        causes.setdefault(f"{one['cause'] or 'no cause is told'}{before}", []).append(one["name"].replace("_", " "))
    return [f"{', '.join(names)}: {cause}" for cause, names in causes.items()]


def _intake(intake: Any) -> str:
    if intake is None:
        return "not known"
    if not intake["paused"]:
        return "open"
    by = f" by {intake['changed_by']}" if intake["changed_by"] else ""
    return f"PAUSED{by} since {moment(intake['changed_at'])}: {intake['reason'] or 'no reason given'}"


def _archives(answer: Any) -> list[str]:
    numbers = answer["numbers"]
    if numbers is None:
        return ["not known"]
    lake, both = numbers["in_lake"], numbers["in_both"]
    alone = f"{counted(lake['jobs'], 'chunk')} in the lake alone ({size(lake['source_bytes'])} freed)"
    return [f"{alone}, {count(both['jobs'])} in both; {size(lake['parquet_bytes'] + both['parquet_bytes'])} of Parquet"]


def _work(answer: Any) -> list[str]:
    backlog = answer["backlog"]
    if backlog is None:
        return ["not known"]
    due = "an unknown number" if backlog["due"] is None else count(backlog["due"])
    lines = [f"{count(backlog['running'])} running, {count(backlog['queued'])} queued, {due} due by policies"]
    if backlog["done_at"]:
        lines[0] += f"; {backlog['per_hour']:.0f} an hour, so done about {moment(backlog['done_at'])}"
    for job in (answer["running"] or [])[:3]:
        part = f", part {job['parts_done'] + 1} of {job['parts']}" if job["parts"] else ""
        lines.append(f"{job['kind']} {chunk_name(job['chunk'])} since {moment(job['started_at'])}{part}")
    return lines


def _saved(money: Any) -> list[str]:
    if money is None:
        return ["not known"]
    freed, less = money["freed_this_month"], money["saved_this_month"]
    month = "" if freed is None else f"; {size(freed)} freed this month, {less:,.2f} a month less for the database"
    # a few bytes are neither saved nor lost
    saved = round(money["saved_month"], 2) or 0.0
    return [f"{saved:,.2f} {money['currency']} a month{month}"]


def _events(answer: Any) -> list[str]:
    stream = answer["stream"]
    if stream is None:
        return ["not known"]
    lag = "an unknown number" if stream["lag"] is None else count(stream["lag"])
    return [f"{lag} waiting, {count(stream['pending'])} pending; {counted(stream['dead'], 'dead letter')}"]


def _lake(answer: Any) -> list[str]:
    numbers = answer["numbers"]
    if numbers is None or not (numbers["findings"] or numbers["strays"]):
        return []
    findings = f"{counted(numbers['findings'], 'damaged file')} (`archival findings`)" if numbers["findings"] else ""
    strays = counted(numbers["strays"], "stray folder") if numbers["strays"] else ""
    return [", ".join(part for part in (findings, strays) if part)]


def _behind(one: Any) -> str:
    days = "" if one["days"] is None else f" for {one['days']:.1f} days"
    return f"{one['hypertable']}: {chunk_name(one['chunk'])} is due{days} (`archival why {one['hypertable']}`)"


def _tell_refused(output: Output, found: Answer) -> None:
    """A wrong setting keeps all of the service from working: what it says of itself is all that is known."""
    if found.status >= 500 and output.for_people:
        output.say("service    answers, and cannot work:")
