"""Commands that begin with a point, in the prompt of `archival sql` and in the place of its SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from archival_cli.command import Session
from archival_cli.commands.questions.answers import explain, show
from archival_cli.commands.questions.asking import Question
from archival_cli.commands.questions.statements import is_blank
from archival_cli.errors import MISUSED, CommandError
from archival_cli.showing.table import Column

HELP: Final = ".tables lists tables, .schema TABLE shows columns, .explain SELECT …; shows what is read, .quit ends"
_TABLES: Final = [Column("table", ("hypertable",), lambda row: str(row["hypertable"]))]


def is_command(asked: str) -> bool:
    """Whether it is no SQL."""
    return asked.lstrip().startswith(".")


def obey(session: Session, asked: str, question: Question) -> None:
    """Do what such a line asks for; raises `CommandError`."""
    name, *others = asked.strip().rstrip("; \n").split(maxsplit=1)
    words = "".join(others)
    if name == ".tables":
        _tables(session)
    elif name == ".schema" and words:
        show(session, f"DESCRIBE {_full(session, words)}", question)
    elif name == ".explain":
        if is_blank(words):
            raise CommandError("there is nothing to explain: write .explain SELECT …;", MISUSED)
        explain(session, words, question)
    elif name == ".help":
        session.output.note(HELP)
    else:
        raise CommandError(HELP, MISUSED)


def _tables(session: Session) -> None:
    found: Sequence[dict[str, Any]] = session.client.get("hypertables")["hypertables"]
    if not session.output.for_people:
        session.output.show({"hypertables": found}, found, _TABLES, "")
    for table in found:
        session.output.say(str(table["hypertable"]))


def _full(session: Session, table: str) -> str:
    """With its schema, if that of a hypertable is left out; a plain table's is `public`, as in a question."""
    try:
        return table if "." in table else session.names.hypertable(table)
    except CommandError as error:
        if error.code != "unknown-hypertable":
            raise
        return table
