"""Where answers go: to people as tables and sentences, to scripts as JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import batched
from textwrap import wrap
from typing import Any, Final, Literal

from rich.console import Console
from rich.text import Text

from archival_cli.showing import table
from archival_cli.showing.table import Column, Row
from archival_cli.showing.text import counted, plain, plain_lines

#: Letters that titles of facts have room for.
_TITLE: Final = 15
#: Lines of a table that the terminal gets at once; one by one takes several times as long.
_AT_ONCE: Final = 200


class _Console(Console):
    """A terminal or a pipe; whoever reads the pipe may have had enough."""

    def on_broken_pipe(self) -> None:
        """What rich would call an error is the end of the command."""
        raise BrokenPipeError


class Output:
    """The answer goes to the standard output, everything else to the standard error."""

    def __init__(self, form: Literal["table", "wide", "json", "csv"]) -> None:
        self.form = form
        self.console = _Console(soft_wrap=True, highlight=False)
        #: what is not the answer: progress, questions and errors
        self.aside = _Console(stderr=True, highlight=False)

    @property
    def for_people(self) -> bool:
        """Sentences are welcome."""
        return self.form in ("table", "wide")

    def show(self, answer: Any, rows: Sequence[Row], columns: Sequence[Column], empty: str) -> None:
        """The whole answer as one JSON document, or its rows as CSV or a table; `empty` is said where there are none."""
        if self.form == "json":
            self.document(answer)
        elif self.form == "csv":
            self._csv(rows, columns)
        elif not rows:
            self.say(empty)
        else:
            self._table(rows, columns)

    def facts(self, facts: Iterable[tuple[str, str]], letters: int = _TITLE) -> None:
        """What is known of one thing, line by line; what is not known has no line. Lines are broken at the terminal's width.

        Titles have so many `letters`; a fact without a title goes on with the one before.
        """
        for title, told in facts:
            if told:
                first, *others = wrap(plain(told), self._width(letters + 1), break_long_words=False, break_on_hyphens=False)
                self.say(f"{title:{letters}} {first}")
                for line in others:
                    self.say(f"{'':{letters}} {line}")

    def sentence(self, text: str) -> None:
        """Sentences to people, broken between words."""
        for line in wrap(plain(text), self._width(0), break_long_words=False, break_on_hyphens=False):
            self.say(line)

    def _width(self, less: int) -> int:
        # a pipe has room for everything
        return max(self.console.width - less, 20) if self.console.is_terminal else sys.maxsize

    def document(self, answer: Any) -> None:
        """JSON alone."""
        json.dump(answer, sys.stdout, indent=2)
        sys.stdout.write("\n")

    def told(self, answer: Any, sentence: str) -> None:
        """The answer for scripts, or a sentence for people."""
        if self.for_people:
            self.say(sentence)
        else:
            self.document(answer)

    def say(self, text: str) -> None:
        """A sentence to people; to scripts nothing. Nothing in it is markup."""
        if self.for_people:
            self.console.print(Text(plain(text)))

    def note(self, text: str) -> None:
        """A sentence beside the answer; an error of several lines keeps them, since one may point at the one before."""
        self.aside.print(Text(plain_lines(text)), soft_wrap="\n" in text)

    def _table(self, rows: Sequence[Row], columns: Sequence[Column]) -> None:
        # a pipe has room for everything
        width = self.console.width if self.form == "table" and self.console.is_terminal else None
        found, left_out = table.lines(rows, columns, width)
        if self.console.is_terminal:
            for lines in batched(found, _AT_ONCE, strict=False):
                self.console.print(Text("\n").join(lines))
        else:
            try:
                self.console.file.writelines(f"{line.plain}\n" for line in found)
                self.console.file.flush()
            except BrokenPipeError:
                self.console.on_broken_pipe()
        if left_out:
            told = f"no room for {counted(len(left_out), 'column')} ({', '.join(left_out)}): -o wide, csv or json has every one"
            self.aside.print(Text(told, "dim"))

    def _csv(self, rows: Sequence[Row], columns: Sequence[Column]) -> None:
        fields = list(dict.fromkeys(field for column in columns for field in column.fields))
        written = csv.writer(sys.stdout, lineterminator="\n")
        written.writerow(fields)
        for row in rows:
            written.writerow([_cell(row.get(field)) for field in fields])


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else value
