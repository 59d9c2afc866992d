"""`python -m archival_cli`: ask the service, from a terminal or a script."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from archival_cli import asking, deciding, looking, target
from archival_cli.arguments import parser
from archival_cli.client import Client
from archival_cli.errors import CommandError
from archival_cli.output import Output, plain

_COMMANDS = {
    "archive": asking.archive,
    "restore": asking.restore,
    "job": asking.job,
    "retry": deciding.jobs,
    "cancel": deciding.jobs,
    "jobs": looking.jobs,
    "chunks": looking.chunks,
    "dead-letters": deciding.dead_letters,
    "policies": deciding.policies,
    "status": looking.status,
    "pause": deciding.intake,
    "resume": deciding.intake,
    "source": deciding.source,
    "marks": deciding.marks,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and do it; the exit code."""
    given = parser().parse_args(arguments)
    output = Output(as_json=given.json)
    try:
        client = Client(*target.find(given.url, given.key, os.environ, Path.cwd()))
        return _COMMANDS[given.command](client, output, given)
    except CommandError as error:
        output.aside.print(Text(plain(str(error))))
        return error.exit_code
    except KeyboardInterrupt:
        # a job that was followed goes on without us
        return 130
    except BrokenPipeError:
        # the reader, `head` for example, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
