"""What a question read, as people see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from archival_cli.showing.table import Column, Row
from archival_cli.showing.text import counted

_WHY: Final = {
    "range": "its time",
    "statistics": "the statistics in its files",
    "empty": "it has no rows",
    "not needed": "the question had its answer before",
}
#: Of pruned archives, for each reason.
_MOST_NAMED: Final = 10

_COLUMNS: Final = [
    Column("table", ("table",), lambda row: str(row["table"])),
    Column("chunk", ("chunk",), lambda row: str(row["chunk"])),
    Column("where", ("where",), lambda row: str(row["where"])),
    Column("read", ("is_read",), lambda row: "yes" if row["is_read"] else "no"),
    Column("why", ("why",), lambda row: str(row["why"] or "")),
    Column("bytes of columns", ("bytes_read",), lambda row: f"{row['bytes_read']:,}", right=True),
    Column("bytes of files", ("bytes",), lambda row: f"{row['bytes']:,}", right=True),
]


def reads(tables: Sequence[dict[str, Any]]) -> tuple[list[Row], list[Column]]:
    """A row for each archive and each chunk, and how rows are shown."""
    rows: list[Row] = []
    for table in tables:
        rows += [{**archive, "table": table["table"], "where": "lake"} for archive in table["archives"]]
        for chunk in table["chunks"]:
            rows.append({**chunk, "table": table["table"], "where": "database", "why": None, "bytes_read": 0, "bytes": 0})
    return rows, _COLUMNS


def explained(tables: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Lines that say what was read, table by table."""
    if not tables:
        yield "no table was read"
    for table in tables:
        archives, chunks = table["archives"], table["chunks"]
        read = [archive for archive in archives if archive["is_read"]]
        yield f"{table['table']}: {len(read)} of {counted(len(archives), 'archive')} read"
        for archive in read:
            yield f"  read    {_named(archive)}: {_amount(archive)}"
        for why, meaning in _WHY.items():
            pruned = [archive for archive in archives if not archive["is_read"] and archive["why"] == why]
            for archive in pruned[:_MOST_NAMED]:
                yield f"  pruned  {_named(archive)}: {meaning}"
            if len(pruned) > _MOST_NAMED:
                yield f"  pruned  {len(pruned) - _MOST_NAMED} more: {meaning}"
        if chunks:
            there = [chunk["chunk"] for chunk in chunks if chunk["is_read"]]
            named = ", ".join(there[:_MOST_NAMED]) + (" …" if len(there) > _MOST_NAMED else "")
            yield f"  {len(there)} of {counted(len(chunks), 'chunk')} in the database read{': ' if there else ''}{named}"
        for condition in dict.fromkeys(table["conditions"]):
            yield f"  PostgreSQL is asked for rows where {condition}"
        yield f"  {counted(table['live_rows'], 'row')} came from the database"
    if any(archive["row_groups"] for table in tables for archive in table["archives"]):
        yield "bytes beside `archives read` are those of whole files that were opened, whichever columns are needed"


def _named(archive: dict[str, Any]) -> str:
    span = f" ({archive['begin']} … {archive['end']})" if archive["begin"] is not None else ""
    return f"{archive['chunk']}{span}"


def _amount(archive: dict[str, Any]) -> str:
    if not archive["row_groups"]:
        return f"row by row, of {archive['bytes']:,} bytes of files"
    groups = f"{archive['row_groups_read']} of {counted(archive['row_groups'], 'row group')}"
    return f"{groups}, {archive['bytes_read']:,} bytes of needed columns, of {archive['bytes']:,} bytes of files"
