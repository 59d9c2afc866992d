"""`sql`: questions over whole tables, archived and live rows as one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.questions.asking import MEDIA, Question, fetched, media_of, note
from archival_cli.commands.questions.direct import Direct
from archival_cli.commands.questions.explaining import explained, reads
from archival_cli.commands.questions.files import FILE, written
from archival_cli.commands.questions.large import fetch_large
from archival_cli.errors import MISUSED, CommandError
from archival_cli.showing.table import Column, Row

_HELP: Final = ".tables lists tables, .schema TABLE shows columns, .explain SELECT … shows what is read, .quit ends"


@click.command(cls=Command)
@click.argument("query", required=False, metavar="[SQL]")
@click.option("--file", type=FILE, help="Write the answer: .csv, .json, .parquet, .arrow.")
@click.option("--limit", type=click.IntRange(1), help="Rows at most; the service has a limit of its own.")
@click.option("--as-text", multiple=True, metavar="COLUMN", help="Show the text that PostgreSQL prints; may be repeated.")
@click.option(
    "--large",
    is_flag=True,
    help="With --file, .csv or .parquet: the service writes the result into the lake first, and no limit of an answer holds.",
)
@click.option(
    "--direct",
    is_flag=True,
    help="Answer in this process, which reads SOURCE_DATABASE_URL and LAKE_URL itself; needs the package's extra `query`.",
)
@pass_session
def sql(
    session: Session,
    query: str | None,
    file: Path | None,
    limit: int | None,
    as_text: tuple[str, ...],
    large: bool,
    direct: bool,
) -> int:
    """Ask a SELECT over archived and live rows, each once.

    Without SQL it is read from the standard input; from a terminal it is a prompt.
    """
    question = Question(limit, as_text, Direct.from_environment() if direct else None, large=large)
    if query is None and sys.stdin.isatty() and file is None:
        return _prompt(session, question)
    if query in (None, "-"):
        query = sys.stdin.read()
    if not query or not query.strip():
        raise CommandError("write a SELECT", MISUSED)
    if large and (file is None or direct or limit is not None):
        raise CommandError("--large goes with --file, and without --direct and --limit", MISUSED)
    if query.lstrip().startswith(".explain"):
        _explain(session, query.strip().removeprefix(".explain").rstrip("; \n"), question)
    elif file is not None:
        media = media_of(file)
        with written(file) as whole:
            if large:
                headers = fetch_large(session, query, whole, question)
            else:
                body, headers = fetched(session, query, media, question)
                whole.write(body)
        note(session, question, headers, f"{file}: {whole.bytes:,} bytes")
    elif session.output.form == "csv":
        body, headers = fetched(session, query, MEDIA[".csv"], question)
        sys.stdout.buffer.write(body)
        note(session, question, headers)
    else:
        _show(session, query, question)
    return 0


def _show(session: Session, query: str, question: Question) -> None:
    body, headers = fetched(session, query, MEDIA[".json"], question)
    answer = json.loads(body)
    rows = [{str(number): value for number, value in enumerate(row)} for row in answer["rows"]]
    columns = [_column(number, column) for number, column in enumerate(answer["columns"])]
    session.output.show(answer, rows, columns, "no rows")
    note(session, question, headers)


def _explain(session: Session, query: str, question: Question) -> None:
    body, headers = fetched(session, query, MEDIA[".json"], replace(question, explain=True))
    answer = json.loads(body)
    if not session.output.for_people:
        session.output.show(answer, *reads(answer["tables"]), "no table was read")
    else:
        for line in explained(answer["tables"]):
            session.output.say(line)
    note(session, question, headers)


def _column(number: int, column: dict[str, Any]) -> Column:
    numeric = any(word in column["type"] for word in ("INT", "DECIMAL", "DOUBLE", "FLOAT"))

    def show(row: Row) -> str:
        value = row[str(number)]
        return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return Column(column["name"], (str(number),), show, right=numeric and "[" not in column["type"])


def _prompt(session: Session, question: Question) -> int:
    import readline  # noqa: F401  `input` has a history and can be edited once it is imported

    session.output.note(f"A statement ends with a semicolon; {_HELP}.")
    pending: list[str] = []
    while True:
        try:
            line = input("   ...> " if pending else "archival> ")
        except EOFError:
            return 0
        except KeyboardInterrupt:
            pending = []
            click.echo()
            continue
        pending.append(line)
        if (line.startswith(".") and not line.startswith(".explain")) or line.rstrip().endswith(";"):
            asked, pending = "\n".join(pending).strip(), []
            if asked in (".quit", ".exit"):
                return 0
            _one(session, asked, question)


def _one(session: Session, asked: str, question: Question) -> None:
    """Answer, or say what is wrong, and go on."""
    words = asked.split()
    try:
        if words[0] == ".tables":
            found: Sequence[dict[str, Any]] = session.client.get("hypertables")["hypertables"]
            for table in found:
                session.output.say(str(table["hypertable"]))
        elif words[0] == ".schema" and len(words) == 2:
            _show(session, f"DESCRIBE {words[1]}", question)
        elif words[0] == ".explain" and len(words) > 1:
            _explain(session, asked.removeprefix(".explain").rstrip("; \n"), question)
        elif asked.startswith("."):
            session.output.note(_HELP)
        else:
            _show(session, asked.rstrip("; \n"), question)
    except CommandError as error:
        session.output.note(str(error))
    except KeyboardInterrupt:
        click.echo()
