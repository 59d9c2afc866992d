"""The stack is the owner of its own lake, although its servers have other ports each time that it starts."""

from __future__ import annotations

from pathlib import Path

import psycopg


def disown(lake: Path) -> None:
    """Have the embedded lake belong to nobody: the first job takes it. Whoever runs the stack is alone with it."""
    (lake / "owner.json").unlink(missing_ok=True)


def disown_ledger(url: str) -> None:
    """The same of the ledger in the embedded database, if it is there."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select to_regclass('archival.owner')").fetchone() != (None,):
            connection.execute("update archival.owner set host = null, database = null")
