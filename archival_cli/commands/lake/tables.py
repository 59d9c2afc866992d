"""`tables`: the tables in the lake, and their logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from archival_cli.command import Command, Group, Session, pass_session
from archival_cli.commands.arguments import HYPERTABLE
from archival_cli.commands.lake.boundary import Boundary, Extent, boundary_of, extent_in_database, extent_in_lake
from archival_cli.commands.lake.elsewhere import ENGINES
from archival_cli.commands.lake.place import ColumnPlace, Place
from archival_cli.commands.work import many
from archival_cli.errors import REFUSED, CommandError
from archival_cli.showing.columns import OUTDATED, TABLES
from archival_cli.showing.text import counted, size


@click.group(cls=Group, default="list")
def tables() -> None:
    """The tables in the lake."""


@tables.command("list", cls=Command)
@pass_session
def list_(session: Session) -> int:
    """List the tables: version, rows, and what is wrong."""
    answer = session.client.get("tables")
    session.output.show(answer, answer["tables"], TABLES, "there is no table in the lake yet")
    return 0


@tables.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@click.option("--for", "engine", type=click.Choice(list(ENGINES)), help="What to paste there.")
@pass_session
def show(session: Session, hypertable: str, engine: str | None) -> int:
    """Show where a table is in the lake, and which ranges are gone.

    These ranges are archived, and their rows are in the database no more.

    Other engines read the archived part by that boundary, and the database beside it. A boundary is of the moment: chunks go
    and come back. `archival sql` reads both as one, from one snapshot.
    """
    name = session.names.hypertable(hypertable)
    listed = session.client.get("tables", hypertable=name)
    # a service of before lists all of them
    found = next((table for table in listed["tables"] if table["hypertable"] == name), None)
    if found is None:
        raise CommandError(f"{name} has no table in the lake yet", REFUSED)
    known = {one["hypertable"]: one for one in session.client.get("hypertables")["hypertables"]}
    chunks = session.client.all("chunks", "chunks", hypertable=name)
    boundary, lake, database = boundary_of(chunks), extent_in_lake(chunks), extent_in_database(chunks)
    url = f"{listed['lake_url']}/{found['path']}"
    column = (known.get(name) or {}).get("time_column")
    answer = {**found, "url": url, "time_column": column, "gone": [list(span) for span in boundary.ranges]}
    answer |= {"lake": asdict(lake), "database": asdict(database)}
    if not session.output.for_people:
        session.output.document(answer)
        return 0
    if engine is not None and column is None:
        raise CommandError(f"{name} is not in the database any more: all of its table in the lake counts", REFUSED)
    if engine is not None and found.get("columns") is None:
        raise CommandError(f"the service does not say which columns {name} has: its database may be away", REFUSED)
    if engine is not None:
        # other signs that end a line are shown by their code, as they may be in a name
        for line in ENGINES[engine](_place(name, str(column), url, boundary, found["columns"])).split("\n"):
            session.output.say(line)
    else:
        session.output.facts(
            [
                ("Delta table", url),
                ("rows", f"{found['rows']:,} in {counted(found['archives'], 'archive')}"),
                ("in the lake", _told(lake)),
                ("in the database", _told(database)),
                ("gone", "; ".join(f"{begin} to {end}" for begin, end in boundary.ranges) or "nothing: all is in the database"),
            ],
            letters=16,
        )
    for named, why in (
        (boundary.shared, "shares its range with a chunk of the database"),
        (boundary.unbounded, "has no range"),
    ):
        if named:
            session.output.note(f"{', '.join(named[:5])} {why}: no time tells its rows from others; ask `archival sql`")
    for one in found.get("notes") or ():
        session.output.note(f"note: {one['message']}. The table in the lake has these rows as well")
    session.output.note("as of now; chunks go and come back")
    return 0


def _told(extent: Extent) -> str:
    return "; ".join([*([" to ".join(extent.range)] if extent.range else []), size(extent.bytes)])


def _place(name: str, time_column: str, url: str, boundary: Boundary, columns: Sequence[dict[str, Any]]) -> Place:
    there = [ColumnPlace.of(one) for one in columns if one["name"] is not None]
    dropped = [stored["name"] for one in columns if one["name"] is None for stored in one["stored"]]
    return Place(name, time_column, url, boundary, there, dropped)


@tables.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE)
@pass_session
def rebuild(session: Session, hypertable: str) -> int:
    """Make the log of a table anew, from the ledger."""
    name = session.names.hypertable(hypertable)
    found = session.client.send("POST", "tables", "rebuild", body={"hypertable": name})
    session.output.told(found, f"the log of {name} is made anew, with {counted(found['archives'], 'archive')}")
    return 0


@tables.command(cls=Command)
@click.argument("hypertable", type=HYPERTABLE, required=False)
@click.option("--dry-run", is_flag=True, help="Say which archives, rows and bytes; nothing is recorded.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def migrate(session: Session, hypertable: str | None, dry_run: bool, yes: bool) -> int:
    """Write archives of before tables had a schema anew.

    Until then such archives are restored and asked as all others, and may not be in the table that other engines read. The
    chunks that are still in the database are archived anew; where a chunk is gone, the archive's files are read, written
    anew as a new revision, and compared by the database. The same command goes on where it was interrupted.
    """
    body = {"hypertable": session.names.hypertable(hypertable)} if hypertable else {}
    if dry_run or not yes:
        meant = session.client.send("POST", "tables", "migrate", body=body | {"dry_run": True}, again=True)
        if dry_run or session.output.for_people:
            session.output.show(meant, meant["archives"], OUTDATED, "there is no archive of before")
        if dry_run:
            session.output.sentence(f"{_meant(meant)}; nothing was recorded")
            return 0
        if not _jobs(meant):
            return 0
        many.ask(session.output, f"write anew {_meant(meant)}")
    asked = session.client.send("POST", "tables", "migrate", body=body, again=True)
    session.output.told(asked, f"{counted(_jobs(asked), 'job')} recorded for {_meant(asked)}; `archival jobs` follows them")
    return 0


def _jobs(answer: dict[str, Any]) -> int:
    return sum(answer["by_way"].get(way, 0) for way in ("rewrite", "archive"))


def _meant(answer: dict[str, Any]) -> str:
    """What is written anew, in a few words."""
    others = {way: number for way in ("under way", "none") if (number := answer["by_way"].get(way))}
    left = [f"{number} {'under way' if way == 'under way' else 'left as they are'}" for way, number in others.items()]
    told = f"{counted(_jobs(answer), 'archive')}, {counted(answer['rows'], 'row')}, {size(answer['parquet_bytes'])}"
    return f"{told} ({', '.join(left)})" if left else told
