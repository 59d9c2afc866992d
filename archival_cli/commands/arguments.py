"""Arguments that several commands take, and how a shell completes them."""

from __future__ import annotations

from typing import Any, Final

import click

from archival_cli.command import Session
from archival_cli.errors import CommandError
from archival_cli.service.transport import Answer

JOB_STATUSES: Final = ("queued", "running", "archived", "superseded", "removed", "restored", "failed", "cancelled", "skipped")
JOB_KINDS: Final = ("archive", "restore")
#: In seconds: whoever presses Tab does not wait for long.
_PATIENCE: Final = 1.5


def _hypertables(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Of the service that the line so far means; none where the service does not answer."""
    try:
        answer = context.ensure_object(Session).client.begin("hypertables").wait(_PATIENCE)
    except CommandError:
        return []
    if not isinstance(answer, Answer) or answer.status != 200:
        return []
    known = [one["hypertable"] for one in answer.document["hypertables"]]
    return [name for name in known if name.startswith(incomplete) or name.partition(".")[2].startswith(incomplete)]


class Hypertable(click.ParamType[str]):
    """A hypertable, with or without its schema."""

    name = "hypertable"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Names that the service knows."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in _hypertables(ctx, param, incomplete)]


HYPERTABLE: Final = Hypertable()
