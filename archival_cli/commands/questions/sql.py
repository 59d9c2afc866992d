"""`sql`: questions over whole tables, archived and live rows as one."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.questions.answers import show
from archival_cli.commands.questions.asking import Question, media_of, note
from archival_cli.commands.questions.commands import is_command, obey
from archival_cli.commands.questions.direct import Direct
from archival_cli.commands.questions.files import FILE, written
from archival_cli.commands.questions.large import fetch
from archival_cli.commands.questions.prompt import prompt
from archival_cli.commands.questions.statements import is_blank
from archival_cli.errors import MISUSED, CommandError

#: A comment that SQL begins with; a flag has neither a space behind `--` nor lines.
_COMMENT: Final = re.compile(r"--(\s|[^=\n]*\n)")


class _Sql(Command):
    """SQL may begin with a comment, which is no flag."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As the parent; a space before such a comment makes it an argument."""
        return super().parse_args(ctx, [f" {given}" if _COMMENT.match(given) else given for given in args])


@click.command(cls=_Sql)
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
    help="Answer in this process, which reads SOURCE_DATABASE_URL and LAKE_URL itself; needs the package's extra `service`.",
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
        return prompt(session, question)
    if query in (None, "-"):
        query = sys.stdin.read()
    if not query or is_blank(query):
        raise CommandError("there is no statement: write a SELECT", MISUSED)
    if large and (file is None or direct or limit is not None):
        raise CommandError("--large goes with --file, and without --direct and --limit", MISUSED)
    if is_command(query):
        if file is not None:
            raise CommandError("--file goes with a SELECT", MISUSED)
        obey(session, query, question)
    elif file is not None:
        media = media_of(file)
        with written(file) as whole:
            headers = fetch(session, query, whole, media, question)
        note(session, question, headers, f"{file}: {whole.bytes:,} bytes")
    else:
        show(session, query, question)
    return 0
