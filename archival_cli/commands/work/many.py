"""Doing something to many, call by call: counted first, with progress, and safe to interrupt and to repeat."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import batched
from typing import Any, Final

import click

from archival_cli.command import Session
from archival_cli.errors import MISUSED, REFUSED, CommandError
from archival_cli.showing.output import Output
from archival_cli.showing.text import count, plain
from archival_cli.times import MOMENT

#: So many ids are named in one request, at most.
_NAMED: Final = 500


@dataclass(frozen=True, slots=True)
class Meant:
    """What a command about many was told besides its filter."""

    everything: bool
    dry_run: bool
    yes: bool


def between(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags `--from` and `--to` of a filter by time: parameters `since` and `until`."""
    command = click.option("--to", "until", type=MOMENT, help="Before this time.")(command)
    return click.option("--from", "since", type=MOMENT, help="At or after: 2026-01-06, or 30d for 30 days ago.")(command)


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that every command about many has, which come to it as one parameter, `meant`."""

    @wraps(command)
    def choose(*arguments: Any, everything: bool, dry_run: bool, yes: bool, **named: Any) -> Any:
        return command(*arguments, meant=Meant(everything, dry_run, yes), **named)

    flags = (
        click.option("--all", "everything", is_flag=True, help="Everything, instead of ids or a filter."),
        click.option("--dry-run", is_flag=True, help="Say how many are meant, by code, and do nothing."),
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
    )
    for flag in reversed(flags):
        flag(choose)
    return choose


def named(ids: Sequence[str]) -> list[str] | None:
    """The ids of the command line, each once, and None if it has none.

    `-` stands for the first word of each line of the standard input, which may have no line.
    """
    if not ids:
        return None
    found: dict[str, None] = {}
    for word in ids:
        lines = sys.stdin if word == "-" else [word]
        found |= dict.fromkeys(line.split()[0] for line in lines if line.strip())
    return list(found)


def alone(ids: Sequence[str], meant: Meant) -> str | None:
    """The one id that the command line names, unless it only counts what is meant."""
    return ids[0] if len(ids) == 1 and ids[0] != "-" and not meant.dry_run else None


def bodies_of(field: str, ids: Sequence[str] | None, body: Mapping[str, object]) -> list[dict[str, object]]:
    """The requests that name `ids`, as many in each as one may; None stands for what the filter in `body` means."""
    if ids is None:
        return [dict(body)]
    return [{**body, field: list(some)} for some in batched(ids, _NAMED, strict=False)]


def usual(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What the flags that both jobs and dead letters have say, by the API's names; for `selection`."""
    return {
        "kind": chosen["kind"],
        "error_code": chosen["code"],
        "from_": chosen["since"],
        "to": chosen["until"],
    }


def selection(meant: Meant, ids: Iterable[str], **fields: object) -> dict[str, object]:
    """What a filter says; raises `CommandError` if it says nothing, or if there are ids besides."""
    body = {name.rstrip("_"): value for name, value in fields.items() if value not in (None, ())}
    both = sorted(body.keys() - {"status"}) + (["all"] if meant.everything else [])
    if ids and both:
        flag = both[0].removeprefix("error_")
        raise CommandError(f"give ids, or a filter (--{flag}), not both", MISUSED)
    if not ids and not both:
        raise CommandError("what is meant? Give ids, a filter, or --all for everything", MISUSED)
    return body | ({"all": True} if meant.everything else {})


def run(session: Session, meant: Meant, path: tuple[str, str], bodies: list[dict[str, object]], what: str) -> int:
    """Send each of `bodies` until it is done; `what` says what is done, as in "12 jobs are queued again". The exit code."""
    client, output = session.client, session.output
    asks_by_name = any("job_ids" in body or "entry_ids" in body for body in bodies)
    codes: Counter[str] = Counter()
    if meant.dry_run or not (meant.yes or asks_by_name):
        counted = [client.send("POST", *path, body=body | {"dry_run": True}, again=True) for body in bodies]
        for answer in counted:
            codes.update(answer["left_by_code"])
        total = None if any(answer["left"] is None for answer in counted) else codes.total()
        if meant.dry_run:
            told = {"meant": total, "by_code": dict(codes.most_common())}
            output.told(told, f"{_meant(total, codes)} are meant; nothing was done")
            return 0
        if total == 0:
            return _told(output, Counter(), Counter(), what)
        ask(output, f"{' '.join(path)}: {_meant(total, codes)}")
    done: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    try:
        _all(session, path, bodies, done, passed)
    finally:
        # whatever ends the calls, the same command goes on where the calls ended
        code = _told(output, done, passed, what)
    return code if asks_by_name else 0


def ask(output: Output, question: str) -> None:
    """Ask whether to go on; raises `CommandError` if not, or if nobody is there to be asked."""
    if not sys.stdin.isatty():
        raise CommandError(f"{question}. Nobody is there to be asked: say --yes", MISUSED)
    output.aside.print(f"{plain(question)}. Go on? [y/N] ", end="", markup=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was done", REFUSED)


def _all(
    session: Session, path: tuple[str, str], bodies: list[dict[str, object]], done: Counter[str], passed: Counter[str]
) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=session.output.aside, transient=True) as bar:
        task = bar.add_task(path[1], total=None)
        for body in bodies:
            cursor = None
            while True:
                answer = session.client.send("POST", *path, body=body | ({"cursor": cursor} if cursor else {}), again=True)
                done["done"] += answer["done"]
                passed.update(answer["passed"])
                met = done["done"] + passed.total()
                bar.update(task, completed=met, total=None if answer["left"] is None else met + answer["left"])
                cursor = answer["next"]
                if cursor is None:
                    break


def _meant(total: int | None, codes: Counter[str]) -> str:
    told = ", ".join(f"{code or 'no code'} {count(number)}" for code, number in codes.most_common(10))
    return ("more than can be counted" if total is None else count(total)) + (f" ({told})" if told else "")


def _told(output: Output, done: Counter[str], passed: Counter[str], what: str) -> int:
    if output.for_people:
        output.say(f"{count(done['done'])} {what}")
        for code, number in passed.most_common():
            output.say(f"{count(number)} left as they are: {code}")
    else:
        output.document({"done": done["done"], "passed": dict(passed)})
    return REFUSED if passed else 0
