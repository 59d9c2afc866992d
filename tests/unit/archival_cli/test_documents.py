"""Every line of the documents that calls the command line is understood by it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from archival_cli.app import archival
from dev.stack.state import ROOT

_BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAMES = {"archival", "$python -m archival_cli", ".venv/bin/python -m archival_cli"}
_END = {"|", "||", "&&", ";", "&", ">", ">>", "<", ")"}


def _calls() -> Iterator[tuple[str, str]]:
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in _BLOCK.findall(document.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                if "archival" in line:
                    yield from ((document.name, call) for call in _of_line(line))


def _of_line(line: str) -> Iterator[str]:
    """The calls in one line of a shell, each without what the shell does with it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        # a quote that spans lines begins something else than a call
        return
    call: list[str] = []
    for word in [*words, ";"]:
        if word in _END:
            told = " ".join(call)
            if any(told == name or told.startswith(f"{name} ") for name in _NAMES):
                yield shlex.join(call[3 if "-m" in call else 1 :])
            call = []
        else:
            call.append(word)


CALLS = sorted(set(_calls()))
_NAMED = re.compile(r"`archival ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)")


def _named() -> Iterator[tuple[str, str]]:
    """Commands that messages and sentences name, by their file."""
    sources = [file for room in ("archival_core", "archival_cli") for file in (ROOT / room).rglob("*.py")]
    for file in (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *sources):
        yield from ((file.name, words) for words in _NAMED.findall(file.read_text()))


NAMED = sorted(set(_named()))


@pytest.mark.parametrize(("file", "words"), NAMED)
def test_a_command_that_is_named_is_there(file: str, words: str) -> None:
    command: click.Command = archival
    for word in words.split():
        if not isinstance(command, click.Group):
            break  # what follows are arguments
        assert word in command.commands, f"{file}: there is no `archival {words}`"
        command = command.commands[word]


@pytest.mark.parametrize(("document", "call"), CALLS)
def test_a_call_is_understood(document: str, call: str) -> None:
    _parse(archival, "archival", shlex.split(call), None)


def _parse(command: click.Command, name: str, arguments: list[str], parent: click.Context | None) -> None:
    with command.make_context(name, arguments, parent=parent) as context:
        if isinstance(command, click.Group):
            found, below, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert below is not None and found is not None
            _parse(below, found, rest, context)


def test_the_documents_have_calls() -> None:
    assert len(CALLS) > 25
    assert {document for document, _ in CALLS} >= {"README.md", "cli.md", "operate.md"}
    assert {file for file, _ in NAMED} >= {"operate.md", "error_codes.py", "standing.py"}
