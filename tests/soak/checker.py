"""Every row, once: pyarrow on the files and SQL on the database, against what the writers know.

No code of the service is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.faults.archive_reader import archives
from tests.faults.invariant import comparable
from tests.faults.truth import COLUMNS, Row
from tests.soak.table import PARENT

_JOBS = "select chunk, status, lake_path, manifest, rows from archival.job where kind = 'archive'"


@dataclass(slots=True)
class Verdict:
    """What was found."""

    rows: int = 0
    lost: int = 0
    doubled: int = 0
    #: rows with values that nobody committed last, or that nobody wrote; each is one that is lost too
    wrong: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Each row is there once, and everything agrees."""
        return not (self.lost or self.doubled or self.wrong or self.problems)


def check(database_url: str, lake: Path, truth: Mapping[int, Row]) -> Verdict:
    """Look at everything; hosts and writers must have ended."""
    verdict = Verdict()
    with psycopg.connect(database_url) as connection:
        live = connection.execute(f"select {', '.join(COLUMNS)} from {PARENT}".encode()).fetchall()
        with connection.cursor(row_factory=dict_row) as cursor:
            jobs = cursor.execute(_JOBS).fetchall()
    counting = {job["lake_path"]: job for job in jobs if job["status"] in ("archived", "removed")}
    superseded = {job["lake_path"] for job in jobs if job["status"] == "superseded"}
    removed = _read_lake(verdict, lake, counting, superseded)
    found = Counter(map(comparable, live)) + removed
    expected = Counter(map(comparable, truth.values()))
    verdict.rows = found.total()
    missing = expected - found
    verdict.lost = missing.total()
    verdict.doubled = sum(count - 1 for row, count in found.items() if count > 1)
    verdict.wrong = len(found.keys() - expected.keys())
    for what, rows in (("nowhere", missing), ("twice", {row for row, count in found.items() if count > 1})):
        if rows:
            verdict.problems.append(f"rows are {what}: {sorted(row[0] for row in rows)[:20]}")
    return verdict


def _read_lake(
    verdict: Verdict, lake: Path, counting: Mapping[str, Mapping[str, Any]], superseded: Collection[str]
) -> Counter[tuple[Any, ...]]:
    """The rows that only archives have; `tables/` and ledger have to agree."""
    removed: Counter[tuple[Any, ...]] = Counter()
    published = set()
    for archive in archives(lake):
        if archive.path in superseded:
            continue  # it stays for readers of the table's earlier versions
        published.add(archive.path)
        verdict.problems += archive.problems
        job = counting.get(archive.path)
        if job is None:
            verdict.problems.append(f"{archive.path} is published, and no archive of the ledger")
            continue
        if job["manifest"] != archive.manifest or job["rows"] != len(archive.rows):
            verdict.problems.append(f"{archive.path} is not what the ledger says")
        if job["status"] == "removed":
            removed += Counter(map(comparable, archive.rows))
    verdict.problems += [
        f"{path} is {job['status']}, and not published" for path, job in counting.items() if path not in published
    ]
    return removed
