"""Writes the commands of the command line into `docs/cli.md`, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from archival_cli.app import archival
from archival_cli.command import COMMON
from dev.docs.marked import with_part
from dev.stack.state import ROOT

COMMANDS_FILE: Final = ROOT / "docs" / "cli.md"


def commands_document() -> str:
    """The document, with the commands that there are now."""
    rows = "\n".join(f"| {usage} | {about} | {flags} |" for usage, about, flags in _rows(archival, ()))
    table = f"\n| Command | What it does | Its own flags |\n| --- | --- | --- |\n{rows}\n\n"
    return with_part(COMMANDS_FILE, "commands", table)


def _rows(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _rows(command, (*path, name))
            continue
        arguments = [_argument(parameter) for parameter in command.params if isinstance(parameter, click.Argument)]
        flags = [_flag(one) for one in command.params if isinstance(one, click.Option) and one.name not in COMMON]
        usage = " ".join([*path, name, *arguments])
        about = " ".join((command.help or "").split("\b")[0].split())
        yield f"`{usage}`", about.replace("|", "\\|"), ", ".join(flags)


def _argument(argument: click.Argument) -> str:
    shown = argument.make_metavar(click.Context(click.Command("")))
    # a table's cell ends at a bar, even inside of code
    return shown.replace("|", "\\|")


def _flag(option: click.Option) -> str:
    return " ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts) if name.startswith("--"))
