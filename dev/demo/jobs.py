"""What the ledger says about the demo's jobs, in plain SQL."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

_JOBS = """
select chunk, status, source_bytes, parquet_bytes, lake_path, error ->> 'message' as reason,
       extract(epoch from finished_at - started_at)::float8 as seconds
from archival.job order by chunk, requested_at
"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One row of the ledger."""

    chunk: str
    status: str
    source_bytes: int | None
    parquet_bytes: int | None
    #: the archive's folder, relative to LAKE_URL
    lake_path: str | None
    #: of a failed or skipped job
    reason: str | None
    #: how long its last attempt took
    seconds: float | None

    @property
    def is_duplicate(self) -> bool:
        """It asked for a chunk that another job has."""
        return self.status == "skipped"


def read_jobs(connection: psycopg.Connection) -> list[JobRow]:
    """Every job, by chunk. Empty while the service has not made its ledger yet."""
    try:
        return connection.cursor(row_factory=class_row(JobRow)).execute(_JOBS).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return []
