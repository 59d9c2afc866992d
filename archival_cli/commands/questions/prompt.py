"""The prompt of `archival sql`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import click

from archival_cli.command import Session
from archival_cli.commands.questions.answers import show
from archival_cli.commands.questions.asking import Question
from archival_cli.commands.questions.commands import HELP, is_command, obey
from archival_cli.commands.questions.statements import is_blank, is_whole
from archival_cli.errors import CommandError
from archival_cli.service import profiles

#: Lines that are kept from one session to the next.
_KEPT: Final = 1000
#: A line with such a word is not kept.
_SECRET: Final = re.compile(r"password|secret|account_?key|://\S+@", re.IGNORECASE)


def prompt(session: Session, question: Question) -> int:
    """Answer statements until there are no more; the exit code."""
    session.output.note(f"A statement ends with a semicolon; {HELP}.")
    with _history():
        pending: list[str] = []
        while True:
            try:
                pending.append(_line("   ...> " if pending else "archival> "))
            except EOFError:
                return 0
            except KeyboardInterrupt:
                pending = []
                click.echo()
                continue
            asked = "\n".join(pending).strip()
            word = asked.rstrip("; ").lower()
            if word in (".quit", ".exit", "quit", "exit"):
                return 0
            if word == "help":
                asked = ".help"
            is_at_once = is_command(asked) and (word == ".explain" or not word.startswith(".explain"))
            if is_blank(asked) or is_at_once or is_whole(asked):
                pending = []
                if asked:
                    _one(session, asked, question)


def _one(session: Session, asked: str, question: Question) -> None:
    """Answer, or say what is wrong, and go on."""
    try:
        if is_command(asked):
            obey(session, asked, question)
        elif is_blank(asked):
            session.output.note("there is no statement: write a SELECT")
        else:
            show(session, asked.rstrip("; \n"), question)
    except CommandError as error:
        session.output.note(str(error))
    except KeyboardInterrupt:
        click.echo()


def _line(before: str) -> str:
    import readline

    line = input(before)
    if line.strip() and not _SECRET.search(line):
        readline.add_history(line)
    return line


@contextmanager
def _history() -> Iterator[None]:
    """Lines of former sessions, kept beside the profiles in a file that its owner alone can read (mode 0600).

    Where that file cannot be read or written, the prompt does without.
    """
    import readline  # `input` has a history and can be edited once it is imported

    file = profiles.place().with_name("sql_history")
    readline.set_auto_history(False)
    readline.set_history_length(_KEPT)
    with suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
            readline.write_history_file(file)
