"""`policies`: from which age on chunks are archived and removed."""

from __future__ import annotations

from typing import Any, Final

import click

from archival_cli.command import Group, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.errors import MISUSED, CommandError
from archival_cli.showing.columns import POLICIES, WANTED
from archival_cli.times import AGE, AGE_OR_NEVER

#: Of a policy that is made, unless its flags say otherwise.
_NEW: Final = {"remove_after": None, "enabled": True, "dropped_by_others": "keep"}


@click.group(cls=Group, default="list")
def policies() -> None:
    """Ages from which on chunks are archived and removed."""


@policies.command("list")
@pass_session
def list_policies(session: Session) -> int:
    """List every policy."""
    answer = session.client.get("policies")
    session.output.show(answer, answer["policies"], POLICIES, "no policies")
    return 0


@policies.command("set")
@click.argument("hypertable", type=HYPERTABLE)
@click.option("--archive-after", type=AGE, help="An age of the chunk's end: 90d, '90 days' or P90D.")
@click.option("--remove-after", type=AGE_OR_NEVER, help="An age, or `never`.")
@click.option("--dropped-by-others", type=click.Choice(("keep", "forget")), help="Archives whose chunk others drop.")
@click.option("--enabled/--disabled", default=None, help="Whether it makes jobs; a new policy does.")
@pass_session
def set_policy(session: Session, /, hypertable: str, **flags: Any) -> int:
    """Change what is given of a policy, or make one.

    What is not given stays as it is.
    """
    body = {name: value for name, value in flags.items() if value is not None}
    if not body:
        told = "--archive-after, --remove-after, --enabled, --disabled or --dropped-by-others"
        raise CommandError(f"what is to change? Give {told}", MISUSED)
    body |= {"remove_after": None} if flags["remove_after"] == "never" else {}
    name = session.names.hypertable(hypertable)
    answer = _set(session, name, body)
    session.output.show(answer, [answer], POLICIES, "")
    return 0


@policies.command()
@click.argument("hypertable", type=HYPERTABLE)
@click.option("--archive-after", type=AGE, required=True, help="An age of the chunk's end: 90d, '90 days' or P90D.")
@pass_session
def preview(session: Session, hypertable: str, archive_after: str) -> int:
    """Say what a policy would archive now; nothing is recorded."""
    name = session.names.hypertable(hypertable)
    answer = session.client.send(
        "POST", "policies", "preview", body={"hypertable": name, "archive_after": archive_after}, again=True
    )
    session.output.show(answer, answer["chunks"], WANTED, "nothing is due")
    return 0


@policies.command()
@click.argument("hypertable", type=HYPERTABLE)
@pass_session
def delete(session: Session, hypertable: str) -> int:
    """Forget a policy; jobs that it has made go on."""
    known = [policy["hypertable"] for policy in session.client.get("policies")["policies"]]
    # the policy of a hypertable that is gone can still be deleted
    name = hypertable if hypertable in known else session.names.hypertable(hypertable)
    session.client.send("DELETE", "policies", name)
    session.output.told({"done": True}, f"{name} has no policy any more")
    return 0


def _set(session: Session, hypertable: str, body: dict[str, object]) -> Any:
    """Change the policy that is there; if there is none, make one."""
    if hypertable in (policy["hypertable"] for policy in session.client.get("policies")["policies"]):
        return session.client.send("PATCH", "policies", hypertable, body=body)
    if "archive_after" not in body:
        raise CommandError(f"{hypertable} has no policy yet, from which age on? Give --archive-after", MISUSED)
    return session.client.send("PUT", "policies", hypertable, body={**_NEW, **body})
