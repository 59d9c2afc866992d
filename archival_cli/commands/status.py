"""`status`: is everything there, and what is on its way."""

from __future__ import annotations

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.errors import REFUSED, CommandError
from archival_cli.service.transport import Answer
from archival_cli.showing.columns import DEAD_LETTERS, JOBS


@click.command(cls=Command)
@pass_session
def status(session: Session) -> int:
    """Show whether everything is there, and what is on its way."""
    client, output = session.client, session.output
    health = client.look("health", "ready", seconds=2.9)
    ready = health.document if isinstance(health, Answer) else None
    if not isinstance(ready, dict) or "checks" not in ready:
        raise CommandError("there is no archival_service at this address", REFUSED)
    answer = {
        "ready": ready,
        "intake": client.get("intake"),
        "live": client.get("jobs", status=["queued", "running"], limit=500)["jobs"],
        "failed": client.get("jobs", status="failed", limit=20)["jobs"],
        "dead_letters": client.get("dead-letters", limit=20)["dead_letters"],
    }
    if not output.for_people:
        output.document(answer)
    else:
        for name, told in ready["checks"].items():
            output.say(f"{name:10} {told}")
        output.say(f"intake     {'paused: ' + (answer['intake']['reason'] or '') if answer['intake']['paused'] else 'open'}")
        output.show(answer, answer["live"], JOBS, "no job is on its way")
        output.show(answer, answer["failed"], JOBS, "no job has failed")
        output.show(answer, answer["dead_letters"], DEAD_LETTERS, "no dead letters")
    return 0 if ready["status"] == "ok" else REFUSED
