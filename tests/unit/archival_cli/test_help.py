"""What `--help` says is whole, at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from archival_cli.app import archival


def _commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from _commands(command)


COMMANDS = list(_commands(archival))


@pytest.mark.parametrize("command", COMMANDS, ids=[str(command.name) for command in COMMANDS])
def test_what_a_command_does_fits_its_line(command: click.Command) -> None:
    told = command.get_short_help_str(80 - 18)
    assert told
    assert not told.endswith("..."), told


@pytest.mark.parametrize("command", COMMANDS, ids=[str(command.name) for command in COMMANDS])
def test_every_flag_says_what_it_does(command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command.name} {parameter.opts}"


@pytest.mark.parametrize("command", COMMANDS, ids=[str(command.name) for command in COMMANDS])
def test_no_two_parameters_have_one_name(command: click.Command) -> None:
    names = [parameter.name for parameter in command.params]
    assert len(set(names)) == len(names)
