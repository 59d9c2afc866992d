"""`export`: rows of one table into a file, archived and live, each once."""

from __future__ import annotations

from pathlib import Path

import click

from archival_cli.command import Command, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.commands.questions.asking import Question, fetched, media_of, note
from archival_cli.commands.questions.direct import Direct
from archival_cli.commands.questions.large import fetch_large
from archival_cli.errors import REFUSED, CommandError
from archival_cli.times import BOUND


@click.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "begin", type=BOUND, help="Rows from this time on.")
@click.option("--to", "end", type=BOUND, help="Rows before this time.")
@click.option("--direct", is_flag=True, help="Read source and lake in this process, as `archival sql --direct` does.")
@pass_session
def export(session: Session, hypertable: str, file: Path, begin: str | int | None, end: str | int | None, direct: bool) -> int:
    """Write archived and live rows into a file, each once.

    FILE ends in .csv, .json, .parquet or .arrow. Of .csv and .parquet the service writes a file into the lake, which is
    fetched from there. What a limit of the service would cut off is no file: --direct has no such limit.
    """
    media, name = media_of(file), session.names.hypertable(hypertable)
    known = {found["hypertable"]: found for found in session.client.get("hypertables")["hypertables"]}
    column = (known.get(name) or {}).get("time_column")
    if column is None:
        raise CommandError(f"{name} is not in the database any more: restore its archives into a table", REFUSED)
    quoted = '"' + str(column).replace('"', '""') + '"'
    conditions = [f"{quoted} >= {_literal(begin)}"] if begin is not None else []
    conditions += [f"{quoted} < {_literal(end)}"] if end is not None else []
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # the service has the name and the column, and lets a question do nothing but read
    sql = f"SELECT * FROM {name} {where} ORDER BY {quoted}"  # noqa: S608
    question = Question(None, (), Direct.from_environment() if direct else None)
    if direct or file.suffix.lower() not in (".parquet", ".csv"):
        body, headers = fetched(session, sql, media, question)
        cut = headers.get("archival-query-cut")
        if cut is None:
            file.write_bytes(body)
    else:
        headers = fetch_large(session, sql, file, question)
        cut = headers.get("archival-query-cut")
        if cut is not None:
            file.unlink()
    if cut is not None:
        raise CommandError(f"the limit of {cut} would cut the file off: choose a shorter range, or --direct", REFUSED)
    note(session, headers, f"{file}: {file.stat().st_size:,} bytes")
    return 0


def _literal(bound: str | int) -> str:
    # a time comes as RFC 3339, integer time as digits
    return str(bound) if str(bound).lstrip("+-").isdigit() else f"'{bound}'"
