"""`sql`: questions over whole tables, archived and live rows as one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.direct import Direct
from archival_cli.errors import MISUSED, CommandError
from archival_cli.showing.table import Column, Row

#: Of a file, by its ending: what the service is asked for.
_MEDIA: Final = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".parquet": "application/vnd.apache.parquet",
}
_HELP: Final = ".tables lists tables, .schema TABLE shows columns, .quit ends"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked besides the SQL."""

    limit: int | None
    as_text: tuple[str, ...]
    #: where the answer comes from, if not from the service
    direct: Direct | None


@click.command(cls=Command)
@click.argument("query", required=False, metavar="[SQL]")
@click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), help="Write the answer: .csv, .json, .parquet, .arrow."
)
@click.option("--limit", type=click.IntRange(1), help="Rows at most; the service has a limit of its own.")
@click.option("--as-text", multiple=True, metavar="COLUMN", help="Show the text that PostgreSQL prints; may be repeated.")
@click.option(
    "--direct",
    is_flag=True,
    help="Answer in this process, which reads SOURCE_DATABASE_URL and LAKE_URL itself; needs the package's extra `query`.",
)
@pass_session
def sql(
    session: Session, query: str | None, file: Path | None, limit: int | None, as_text: tuple[str, ...], direct: bool
) -> int:
    """Ask a SELECT over whole tables: archived and live rows, each once.

    Without SQL it is read from the standard input; from a terminal it is a prompt.
    """
    question = Question(limit, as_text, Direct.from_environment() if direct else None)
    if query is None and sys.stdin.isatty() and file is None:
        return _prompt(session, question)
    if query in (None, "-"):
        query = sys.stdin.read()
    if not query or not query.strip():
        raise CommandError("write a SELECT", MISUSED)
    if file is not None:
        media = _MEDIA.get(file.suffix.lower())
        if media is None:
            raise CommandError(f"--file: {file} ends in none of {', '.join(_MEDIA)}", MISUSED)
        body, headers = _fetched(session, query, media, question)
        file.write_bytes(body)
        _note(session, headers, f"{file}: {len(body):,} bytes")
    elif session.output.form == "csv":
        body, headers = _fetched(session, query, _MEDIA[".csv"], question)
        sys.stdout.buffer.write(body)
        _note(session, headers)
    else:
        _show(session, query, question)
    return 0


def _show(session: Session, query: str, question: Question) -> None:
    body, headers = _fetched(session, query, _MEDIA[".json"], question)
    answer = json.loads(body)
    rows = [{str(number): value for number, value in enumerate(row)} for row in answer["rows"]]
    columns = [_column(number, column) for number, column in enumerate(answer["columns"])]
    session.output.show(answer, rows, columns, "no rows")
    _note(session, headers)


def _column(number: int, column: dict[str, Any]) -> Column:
    numeric = any(word in column["type"] for word in ("INT", "DECIMAL", "DOUBLE", "FLOAT"))

    def show(row: Row) -> str:
        value = row[str(number)]
        return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return Column(column["name"], (str(number),), show, right=numeric and "[" not in column["type"])


def _fetched(session: Session, query: str, media: str, question: Question) -> tuple[bytes, dict[str, str]]:
    if question.direct is not None:
        return question.direct.fetched(query, media, question.limit, question.as_text)
    body: dict[str, Any] = {"sql": query, "as_text": list(question.as_text)}
    if question.limit is not None:
        body["max_rows"] = question.limit
    answer = session.client.fetch("queries", body=body, accept=media)
    return answer.body, dict(answer.headers)


def _note(session: Session, headers: dict[str, str], *more: str) -> None:
    """Beside the answer: what it was made of, and whether it is all."""
    figures = json.loads(headers["archival-query-figures"])
    told = [
        *more,
        f"{figures['seconds']:.2f} s",
        f"{figures['archives_read']} of {figures['archives']} archives read ({figures['bytes_read']:,} bytes)",
        f"{figures['live_rows']:,} rows from the database",
    ]
    session.output.note("; ".join(told))
    if cut := headers.get("archival-query-cut"):
        limit = {"rows": "the limit of rows", "bytes": "the limit of bytes"}[cut]
        session.output.note(f"{limit} has cut the answer off: ask for less, or with --direct")


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
        if line.startswith(".") or line.rstrip().endswith(";"):
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
        elif asked.startswith("."):
            session.output.note(_HELP)
        else:
            _show(session, asked.rstrip("; \n"), question)
    except CommandError as error:
        session.output.note(str(error))
    except KeyboardInterrupt:
        session.output.note("called off; the service ends it by itself")
