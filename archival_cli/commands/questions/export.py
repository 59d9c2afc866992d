"""`export`: rows of one table into a file, archived and live, each once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.commands.questions.asking import Question, media_of, note
from archival_cli.commands.questions.direct import Direct
from archival_cli.commands.questions.files import FILE, written
from archival_cli.commands.questions.large import fetch
from archival_cli.errors import MISUSED, REFUSED, CommandError
from archival_cli.times import BOUND

_INTEGERS: Final = frozenset({"smallint", "integer", "bigint"})


@click.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@click.argument("file", type=FILE)
@click.option("--from", "begin", type=BOUND, help="Rows from this time on.")
@click.option("--to", "end", type=BOUND, help="Rows before this time.")
@click.option("--as-text", multiple=True, metavar="COLUMN", help="Write the text that PostgreSQL prints; may be repeated.")
@click.option("--direct", is_flag=True, help="Read source and lake in this process, as `archival sql --direct` does.")
@pass_session
def export(
    session: Session,
    hypertable: str,
    file: Path,
    begin: str | int | None,
    end: str | int | None,
    as_text: tuple[str, ...],
    direct: bool,
) -> int:
    """Write archived and live rows into a file, each once.

    FILE ends in .csv, .json, .parquet or .arrow. Of .csv and .parquet the service writes a file into the lake, which is
    fetched from there. What a limit of the service would cut off is no file: --direct has no such limit.
    """
    media = media_of(file)
    _check_range(begin, end)
    name = session.names.hypertable(hypertable)
    known = {found["hypertable"]: found for found in session.client.get("hypertables")["hypertables"]}
    table = known.get(name) or {}
    column = table.get("time_column")
    if column is None:
        raise CommandError(f"{name} is not in the database any more: restore its archives into a table", REFUSED)
    _check_kind(str(table.get("time_type")), {"--from": begin, "--to": end})
    if str(column).lower() in {one.lower() for one in as_text}:
        raise CommandError(f"--as-text {column}: rows are chosen and put in order by it, which its text does not do", MISUSED)
    quoted = '"' + str(column).replace('"', '""') + '"'
    conditions = [f"{quoted} >= {_literal(begin)}"] if begin is not None else []
    conditions += [f"{quoted} < {_literal(end)}"] if end is not None else []
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # the service has the name and the column, and lets a question do nothing but read
    sql = f"SELECT * FROM {name} {where} ORDER BY {quoted}"  # noqa: S608
    large = not direct and file.suffix.lower() in (".parquet", ".csv")
    question = Question(None, as_text, Direct.from_environment() if direct else None, large=large)
    with written(file) as whole:
        headers = fetch(session, sql, whole, media, question)
        if cut := headers.get("archival-query-cut"):
            others = "" if direct else ", or --direct" if large else ", a file that ends in .parquet or .csv, or --direct"
            raise CommandError(f"the limit of {cut} would cut the file off: choose a shorter range{others}", REFUSED)
    note(session, question, headers, f"{file}: {whole.bytes:,} bytes")
    return 0


def _check_range(begin: str | int | None, end: str | int | None) -> None:
    """Raise `CommandError` where no row can be between the two."""
    if begin is None or end is None:
        return
    if isinstance(begin, int) and isinstance(end, int):
        is_empty = begin >= end
    elif isinstance(begin, str) and isinstance(end, str):
        # as texts, seconds with a fraction and without one would not compare
        is_empty = datetime.fromisoformat(begin) >= datetime.fromisoformat(end)
    else:
        raise CommandError("one of --from and --to is a time, and the other integer time: write two of a kind", MISUSED)
    if is_empty:
        raise CommandError(f"no row is from {begin} on and before {end}: --from has to be earlier than --to", MISUSED)


def _check_kind(time_type: str, bounds: dict[str, str | int | None]) -> None:
    """Raise `CommandError` where a bound is not of the time column's kind; types that are neither are left to DuckDB."""
    for flag, bound in bounds.items():
        if isinstance(bound, int) and time_type.startswith(("timestamp", "date")):
            raise CommandError(
                f"{flag} {bound} is no time, and the table is by {time_type}: write 2026-01-06, '2026-01-06 12:00Z' or 30d",
                MISUSED,
            )
        if isinstance(bound, str) and time_type in _INTEGERS:
            raise CommandError(
                f"{flag} {bound} is a time, and the table is by integer time ({time_type}): write digits", MISUSED
            )


def _literal(bound: str | int) -> str:
    # a time comes as RFC 3339, integer time as digits
    return str(bound) if str(bound).lstrip("+-").isdigit() else f"'{bound}'"
