"""The role that questions read tables as, in an embedded database."""

from __future__ import annotations

from typing import Final

import psycopg

READER: Final = "archival_reader"


def ensure_reader(url: str) -> None:
    """A role that reads every table, and can do nothing else."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select from pg_roles where rolname = %s", (READER,)).fetchone() is None:
            connection.execute(f"create role {READER} in role pg_read_all_data".encode())
