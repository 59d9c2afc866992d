"""`completion`: the script that lets a shell complete commands, flags, and names that the service knows."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script of a shell.

    \b
    bash  echo 'eval "$(archival completion bash)"' >> ~/.bashrc
    zsh   echo 'eval "$(archival completion zsh)"' >> ~/.zshrc
    fish  archival completion fish > ~/.config/fish/completions/archival.fish
    """
    made = get_completion_class(shell)
    assert made is not None, "click knows these shells"
    click.echo(made(context.find_root().command, {}, "archival", "_ARCHIVAL_COMPLETE").source())
    return 0
