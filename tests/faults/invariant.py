"""The promise, checked by an independent reader: pyarrow on the files, SQL on the database, and the harness's own truth.

- Every row is in the database or in exactly one archive that counts, value by value.
- An archive that counts holds exactly what its chunk held at one moment.
- A chunk has at most one live job.
- Ledger, manifests and lake agree.
- The table in the lake, as DuckDB reads it, has the rows of the archives that count, each once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import duckdb

from dev import delta_reader
from tests.faults.archive_reader import Archive, archives, manifests
from tests.faults.truth import COLUMNS, SCHEMA, TABLE, Row, chunk_of
from tests.faults.world import World

#: A job of these has an archive that counts.
_COUNTS = ("archived", "removed")
_KEY = COLUMNS.index("id")


@dataclass(slots=True)
class Verdict:
    """What was found."""

    rows: int = 0
    lost: int = 0
    doubled: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing is lost, doubled or at odds."""
        return not (self.lost or self.doubled or self.problems)


def check(world: World, *, committed: bool = False) -> Verdict:
    """Look at everything; the service must be at rest. `committed` says that the tables in the lake must be as they should."""
    verdict = Verdict()
    jobs = [job for job in world.jobs() if job["kind"] == "archive"]
    found = list(archives(world.lake, world.planted))
    _check_records(world, verdict, jobs, found)
    by_path = {job["lake_path"]: job for job in jobs if job["status"] in _COUNTS}
    counting = [archive for archive in found if archive.path in by_path]
    for archive in counting:
        _check_archive(world, verdict, archive, by_path[archive.path])
    _check_union(world, verdict, counting, by_path)
    if committed:
        _check_table(world, verdict, [archive for archive in counting if not by_path[archive.path]["history_lost"]])
    return verdict


def _check_records(world: World, verdict: Verdict, jobs: list[dict[str, Any]], found: list[Archive]) -> None:
    live = Counter(job["chunk"] for job in jobs if job["status"] in ("queued", "running"))
    verdict.problems += [f"{chunk} has {n} live jobs" for chunk, n in live.items() if n > 1]
    written = manifests(world.lake)
    published = {archive.path: archive for archive in found}
    superseded = {job["lake_path"] for job in jobs if job["status"] == "superseded"}
    for archive in found:
        rows = [job for job in jobs if job["lake_path"] == archive.path and job["status"] in _COUNTS]
        if (archive.path in world.planted or world.history_lost) and not rows:
            continue  # somebody else's, or of a history that is lost, and not taken for an archive
        if not rows and archive.path in superseded:
            continue  # it stays for readers of the table's earlier versions
        verdict.problems += archive.problems
        if len(rows) != 1:
            verdict.problems.append(f"{archive.path} has {len(rows)} rows in the ledger")
        elif not rows[0]["manifest"] == archive.manifest == written.get(archive.path):
            verdict.problems.append(f"{archive.path}: ledger, folder and manifests/ do not say the same")
        elif rows[0]["rows"] != len(archive.rows):
            verdict.problems.append(f"{archive.path} has {len(archive.rows)} rows, the ledger says {rows[0]['rows']}")
    # one whose place another has taken is moved out of the way, its manifest stays
    known = published.keys() | superseded | world.planted
    if not world.history_lost:
        verdict.problems += [f"manifests/ has {path}, which is not published" for path in written if path not in known]
    verdict.problems += [
        f"{job['chunk']} is {job['status']} and {job['lake_path']} is not published"
        for job in jobs
        if job["status"] in _COUNTS and job["lake_path"] not in published
    ]


def _check_archive(world: World, verdict: Verdict, archive: Archive, job: dict[str, Any]) -> None:
    """It must be one of the states that its chunk has had; else the nearest state tells what is missing."""
    held = Counter(map(comparable, archive.rows))
    name = job["chunk"].rpartition(".")[2]
    differences = []
    for state in world.truth.states_of(name):
        expected = Counter(map(comparable, state.values()))
        differences.append(((expected - held).total(), (held - expected).total()))
    missing, extra = min(differences, key=sum, default=(0, held.total()))
    verdict.rows += len(archive.rows)
    verdict.lost += missing
    verdict.doubled += extra
    if missing or extra:
        verdict.problems.append(f"{archive.path} lacks {missing} rows of its chunk, and has {extra} others")


def _check_union(world: World, verdict: Verdict, counting: list[Archive], by_path: dict[str, Any]) -> None:
    truth = {key: comparable(row) for key, row in world.truth.now.items()}
    with world.connect() as connection:
        query = f"select {', '.join(COLUMNS)} from {SCHEMA}.{TABLE}"
        live = [tuple(row.values()) for row in connection.execute(query.encode())]
    verdict.rows += len(live)
    in_database = Counter(map(comparable, live))
    in_archives: Counter[tuple[Any, ...]] = Counter()
    removed: Counter[tuple[Any, ...]] = Counter()
    for archive in counting:
        rows = Counter(map(comparable, archive.rows))
        in_archives += rows
        # one that was restored is `archived` again: its rows may be in both places
        if by_path[archive.path]["status"] == "removed":
            removed += rows
    lost = [key for key, row in truth.items() if not in_database[row] and not in_archives[row]]
    doubled = [
        key for key, row in truth.items() if in_database[row] > 1 or in_archives[row] > 1 or (in_database[row] and removed[row])
    ]
    verdict.lost += len(lost)
    verdict.doubled += len(doubled)
    if lost:
        chunks = sorted({chunk_of(world.truth.now[key]) for key in lost})
        verdict.problems.append(f"rows of {chunks} are nowhere: {sorted(lost)[:10]}")
    if doubled:
        verdict.problems.append(f"rows are there twice: {sorted(doubled)[:10]}")
    if strange := in_database.keys() - set(truth.values()):
        verdict.problems.append(f"the database has {len(strange)} rows that nobody wrote")


def _check_table(world: World, verdict: Verdict, counting: list[Archive]) -> None:
    """The key of each row tells: the values of the files that the log names are checked with their archives."""
    expected = Counter(row[_KEY] for archive in counting for row in archive.rows)
    table = world.lake / "tables" / f"{SCHEMA}.{TABLE}"
    found: Counter[Any] = Counter()
    if (table / "_delta_log").exists():
        try:
            found = Counter(key for (key,) in delta_reader.read(table, f"select {COLUMNS[_KEY]} from t"))
        except duckdb.Error as error:
            verdict.problems.append(f"the table in the lake cannot be read: {error}")
            return
    if missing := expected - found:
        verdict.problems.append(f"the table in the lake lacks {missing.total()} rows of archives that count")
    if extra := found - expected:
        verdict.problems.append(f"the table in the lake has {extra.total()} rows too many")


def comparable(row: Row) -> tuple[Any, ...]:
    """The row as something that compares value by value: 1.0 is not 1.00, and a list is not its text."""
    return tuple(repr(tuple(value)) if isinstance(value, list) else repr(value) for value in map(_plain, row))


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else bytes(value) if isinstance(value, memoryview) else value
