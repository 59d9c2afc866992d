"""The commands that decide: about dead letters, policies and the intake."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any, Final

from archival_cli import many
from archival_cli.client import Client
from archival_cli.errors import MISUSED, CommandError
from archival_cli.output import DEAD_LETTERS, POLICIES, WANTED, Output

_PAGE: Final = 500
#: What each word on the command line is, of those that some actions do not take.
_WORDS: Final = {
    "hypertable": "hypertable",
    "entry_id": "entry",
    "code": "--code",
    "text": "--text",
    "kind": "--kind",
    "since": "--from",
    "until": "--to",
    "reason": "--reason",
    "archive_after": "--archive-after",
    "remove_after": "--remove-after",
    "enabled": "--enabled or --disabled",
    "dropped_by_others": "--dropped-by-others",
}
#: How dead letters are chosen.
_LETTERS: Final = ("code", "text", "kind", "since", "until")
#: Of a policy that is made, unless its flags say otherwise.
_NEW: Final = {"remove_after": None, "enabled": True, "dropped_by_others": "keep"}


def dead_letters(client: Client, output: Output, given: Namespace) -> int:
    """`dead-letters`; the exit code."""
    _check(given, {"list": ("code", "text", "kind"), "replay": ("entry_id", *_LETTERS)})
    if given.action == "list":
        found: list[Any] = []
        after = None
        while True:
            page = client.get("dead-letters", limit=_PAGE, after=after, error_code=given.code, text=given.text, kind=given.kind)
            found += page["dead_letters"]
            after = page["next"]
            if after is None:
                break
        output.show({"dead_letters": found, "discarded": page["discarded"]}, found, DEAD_LETTERS, "no dead letters")
        return 0
    body = {"reason": _needed(given.reason, "why? Give --reason")} if given.action == "discard" else {}
    done = "replayed" if given.action == "replay" else "discarded"
    _only_names_or_filter(given, given.entry_id)
    if len(given.entry_id) == 1 and given.entry_id != ["-"] and not given.dry_run:
        [entry_id] = given.entry_id
        client.send("POST", "dead-letters", entry_id, given.action, body=body or None)
        _done(output, f"{entry_id} is {done}")
        return 0
    if given.entry_id:
        bodies = many.by_name(many.named(given.entry_id), "entry_ids", body)
    else:
        chosen = many.selection(given, error_code=given.code, text=given.text, kind=given.kind)
        bodies = [{**body, **chosen}]
    return many.run(client, output, given, ("dead-letters", given.action), bodies, f"dead letters are {done}")


def jobs(client: Client, output: Output, given: Namespace) -> int:
    """`retry` and `cancel`; the exit code."""
    _only_names_or_filter(given, given.job_id)
    if len(given.job_id) == 1 and given.job_id != ["-"] and not given.dry_run:
        output.one(client.send("POST", "jobs", given.job_id[0], given.command))
        return 0
    status = {"status": given.status} if given.status else {}
    if given.job_id:
        # whoever names a cancelled job means to retry this job
        status = status or ({"status": ["failed", "cancelled"]} if given.command == "retry" else {})
        bodies = many.by_name(many.named(given.job_id), "job_ids", status)
    else:
        bodies = [{**status, **many.selection(given, hypertable=given.hypertable, kind=given.kind, error_code=given.code)}]
    done = "queued again" if given.command == "retry" else "cancelled"
    return many.run(client, output, given, ("jobs", given.command), bodies, f"jobs are {done}")


def _only_names_or_filter(given: Namespace, ids: Sequence[str]) -> None:
    words = {"all": given.all, **{word: getattr(given, word, None) for word in (*_LETTERS, "hypertable")}}
    both = sorted(name for name, value in words.items() if value)
    if ids and both:
        raise CommandError(
            f"give ids, or a filter (--{both[0].replace('since', 'from').replace('until', 'to')}), not both", MISUSED
        )


def policies(client: Client, output: Output, given: Namespace) -> int:
    """`policies`; the exit code."""
    _check(given, {"list": (), "delete": ("hypertable",), "preview": ("hypertable", "archive_after")})
    if given.action == "list":
        answer = client.get("policies")
        output.show(answer, answer["policies"], POLICIES, "no policies")
        return 0
    hypertable = _needed(given.hypertable, "which hypertable?")
    if given.action == "delete":
        client.send("DELETE", "policies", hypertable)
        _done(output, f"{hypertable} has no policy any more")
    elif given.action == "preview":
        after = _needed(given.archive_after, "from which age on? Give --archive-after")
        answer = client.send("POST", "policies", "preview", body={"hypertable": hypertable, "archive_after": after})
        output.show(answer, answer["chunks"], WANTED, "nothing is due")
    else:
        answer = _set(client, hypertable, _policy(given))
        output.show(answer, [answer], POLICIES, "")
    return 0


def _policy(given: Namespace) -> dict[str, object]:
    """What the flags say of a policy, and nothing of what they leave out."""
    names = ("archive_after", "remove_after", "enabled", "dropped_by_others")
    body = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    if not body:
        flags = "--archive-after, --remove-after, --enabled, --disabled or --dropped-by-others"
        raise CommandError(f"what is to change? Give {flags}", MISUSED)
    return body | ({"remove_after": None} if given.remove_after == "never" else {})


def _set(client: Client, hypertable: str, body: dict[str, object]) -> Any:
    """Change the policy that is there; if there is none, make one."""
    try:
        return client.send("PATCH", "policies", hypertable, body=body)
    except CommandError as error:
        if error.code != "unknown-policy":
            raise
    if "archive_after" not in body:
        raise CommandError(f"{hypertable} has no policy yet, from which age on? Give --archive-after", MISUSED)
    return client.send("PUT", "policies", hypertable, body={**_NEW, **body})


def intake(client: Client, output: Output, given: Namespace) -> int:
    """`pause` and `resume`; the exit code."""
    body = {"reason": given.reason} if given.command == "pause" and given.reason else None
    answer = client.send("POST", "intake", given.command, body=body)
    if output.as_json:
        output.document(answer)
    else:
        output.say("the intake is paused" if answer["paused"] else "the intake goes on")
    return 0


def _check(given: Namespace, taken: Mapping[str, Sequence[str]]) -> None:
    """Refuse what the action does not take, rather than do something else than was meant; others take everything."""
    for name in _WORDS:
        if given.action in taken and name not in taken[given.action] and getattr(given, name, None) not in (None, []):
            raise CommandError(f"{given.action} takes no {_WORDS[name]}", MISUSED)


def _needed(value: str | None, question: str) -> str:
    if not value:
        raise CommandError(question, MISUSED)
    return value


def _done(output: Output, text: str) -> None:
    if output.as_json:
        output.document({"done": True})
    else:
        output.say(text)


def source(client: Client, output: Output, given: Namespace) -> int:
    """`source takeover`; the exit code."""
    found = client.send("POST", "source", given.action)
    if output.as_json:
        output.document(found)
    else:
        output.say(f"the lake belongs to database {found['database']} on {found['host']} from now on")
    return 0


def marks(client: Client, output: Output, given: Namespace) -> int:
    """`marks rebuild`; the exit code."""
    found = client.send("POST", "source", "marks", given.action)
    if output.as_json:
        output.document(found)
    else:
        output.say(f"{found['owed']} marks are written by the next runs of reconcile")
    return 0
