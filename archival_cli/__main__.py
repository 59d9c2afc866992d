"""`archival`, or `python -m archival_cli`: ask the service, from a terminal or a script."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from archival_cli.app import archival
from archival_cli.errors import CommandError
from archival_cli.showing.text import plain_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and do it; the exit code."""
    try:
        code = archival.main(args=arguments, prog_name="archival", standalone_mode=False)
        # a short answer is written here, and not when Python ends
        sys.stdout.flush()
    except CommandError as error:
        click.echo(plain_lines(str(error)), err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        # a job that was followed goes on without us
        return 130
    except BrokenPipeError:
        # the reader, `head` for example, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
