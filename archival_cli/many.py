"""Doing something to many, call by call: counted first, with progress, and safe to interrupt and to repeat."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import batched
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from archival_cli.client import Client
from archival_cli.errors import MISUSED, REFUSED, CommandError
from archival_cli.output import Output, count, plain

#: So many ids are named in one request, at most.
_NAMED: Final = 500


def named(ids: Iterable[str]) -> list[str]:
    """The ids of the command line, each once; `-` stands for the first word of each line of the standard input."""
    found: dict[str, None] = {}
    for word in ids:
        lines = sys.stdin if word == "-" else [word]
        found |= dict.fromkeys(line.split()[0] for line in lines if line.strip())
    return list(found)


def selection(given: Namespace, **fields: object) -> dict[str, object]:
    """What a filter says; raises `CommandError` if it says nothing."""
    body = {name: value for name, value in fields.items() if value is not None}
    body |= {name: value for name, value in (("from", given.since), ("to", given.until)) if value is not None}
    if given.all:
        body["all"] = True
    if not body.keys() - {"status"}:
        raise CommandError("what is meant? Give ids, a filter, or --all for everything", MISUSED)
    return body


def run(
    client: Client, output: Output, given: Namespace, path: tuple[str, str], bodies: list[dict[str, object]], what: str
) -> int:
    """Send each of `bodies` until it is done; `what` says what is done, as in "12 jobs are queued again". The exit code."""
    asks_by_name = any("job_ids" in body or "entry_ids" in body for body in bodies)
    codes: Counter[str] = Counter()
    if given.dry_run or not (given.yes or asks_by_name):
        counted = [client.send("POST", *path, body=body | {"dry_run": True}, again=True) for body in bodies]
        for answer in counted:
            codes.update(answer["left_by_code"])
        total = None if any(answer["left"] is None for answer in counted) else codes.total()
        if given.dry_run:
            return _dry(output, total, codes)
        if total == 0:
            return _told(output, Counter(), Counter(), what)
        _ask(output, total, codes, " ".join(path))
    done: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    try:
        _all(client, output, path, bodies, done, passed)
    finally:
        # whatever ends the calls, the same command goes on where the calls ended
        code = _told(output, done, passed, what)
    return code if asks_by_name else 0


def _all(
    client: Client,
    output: Output,
    path: tuple[str, str],
    bodies: list[dict[str, object]],
    done: Counter[str],
    passed: Counter[str],
) -> None:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=output.aside, transient=True) as bar:
        task = bar.add_task(path[1], total=None)
        for body in bodies:
            cursor = None
            while True:
                answer = client.send("POST", *path, body=body | ({"cursor": cursor} if cursor else {}), again=True)
                done["done"] += answer["done"]
                passed.update(answer["passed"])
                met = done["done"] + passed.total()
                bar.update(task, completed=met, total=None if answer["left"] is None else met + answer["left"])
                cursor = answer["next"]
                if cursor is None:
                    break


def by_name(ids: list[str], field: str, body: Mapping[str, object]) -> list[dict[str, object]]:
    """The requests that name `ids`, as many in each as one may."""
    return [{**body, field: list(some)} for some in batched(ids, _NAMED, strict=False)]


def _dry(output: Output, total: int | None, codes: Counter[str]) -> int:
    if output.as_json:
        output.document({"meant": total, "by_code": dict(codes.most_common())})
    else:
        output.say(f"{_meant(total, codes)} are meant; nothing was done")
    return 0


def _ask(output: Output, total: int | None, codes: Counter[str], action: str) -> None:
    question = f"{action}: {_meant(total, codes)}"
    if not sys.stdin.isatty():
        raise CommandError(f"{question} are meant: say --yes", MISUSED)
    output.aside.print(Text(f"{plain(question)}. Go on? [y/N] "), end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was done", REFUSED)


def _meant(total: int | None, codes: Counter[str]) -> str:
    told = ", ".join(f"{code or 'no code'} {count(number)}" for code, number in codes.most_common(10))
    return ("more than can be counted" if total is None else count(total)) + (f" ({told})" if told else "")


def _told(output: Output, done: Counter[str], passed: Counter[str], what: str) -> int:
    if output.as_json:
        output.document({"done": done["done"], "passed": dict(passed)})
    else:
        output.say(f"{count(done['done'])} {what}")
        for code, number in passed.most_common():
            output.say(f"{count(number)} left as they are: {code}")
    return REFUSED if passed else 0
