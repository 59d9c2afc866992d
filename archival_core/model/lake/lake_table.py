"""What is in a table of the lake: a function of the source's marks and the ledger, and of nothing that happened before.

Guard TABLEMARK: the marks go before the ledger, which may have been put back. An archive that stands in for rows is in the
table, unless these are to be forgotten, and nothing else of the same rows is. An archive that the ledger does not know stays
while the source has the mark of its reading: the ledger was put back, and not the source. An archive of whose reading the
source has no mark leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from archival_core.model.jobs.job import Status

#: Of a table of PostgreSQL: its oid and the transaction that made it.
TableKey = tuple[int, str | None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An archive that may be in the table, as ledger, marks and log tell of it."""

    archive: UUID
    #: where it lies, below `tables/`
    folder: str
    #: SHA-256 of its manifest; `None` for an archive of before there were such
    manifest: str | None
    #: what the ledger says; `None` where it does not know the archive as one
    status: Status | None
    #: whose rows it holds: the table that was read, or that took the rows back; `None` if nobody can tell
    table: TableKey | None
    #: orders the archives of one table: a later one holds what an earlier one held, and newer rows
    revision: int
    #: the source has the mark of its reading, or there is none to be had
    is_marked: bool
    #: its rows went back, into what may be more tables than `table`: the ledger tells what takes its place
    is_restored: bool = False
    #: a drop's mark in the source: the manifest that it names; `None` where there is no such mark
    stands_in: str | None = None
    #: that mark says that the rows are no part of the table any more
    is_forgotten: bool = False
    #: folders whose place it takes by its manifest
    supersedes: frozenset[str] = frozenset()
    #: the log has it
    in_table: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a commit changes, by folder."""

    adds: tuple[str, ...]
    removes: tuple[str, ...]
    #: what is in the table and stays there
    stays: tuple[str, ...] = ()
    #: folders of `adds` and `removes` that take each other's place: either all of a group change, or none
    groups: tuple[frozenset[str], ...] = ()

    def without(self, missing: Iterable[str]) -> frozenset[str]:
        """The folders that must not change, where those of `missing` cannot enter: rows would vanish, or be there twice."""
        lacking = set(missing)
        return frozenset(folder for group in self.groups if group & lacking for folder in group)


def counted(candidates: Iterable[Candidate]) -> set[str]:
    """The folders that are in the table."""
    found = list(candidates)
    gone = {candidate.table for candidate in found if candidate.stands_in is not None and candidate.table is not None}
    standing = [candidate for candidate in found if _lives(candidate) or _is_unknown(candidate)]
    newest: dict[TableKey, int] = {}
    for candidate in standing:
        if candidate.table is not None:
            newest[candidate.table] = max(newest.get(candidate.table, -1), candidate.revision)
    replaced = {folder for candidate in standing if _is_unknown(candidate) for folder in candidate.supersedes}
    return {candidate.folder for candidate in found if _stands_in(candidate) and not candidate.is_forgotten} | {
        candidate.folder
        for candidate in standing
        if candidate.stands_in is None
        and candidate.folder not in replaced
        and (
            candidate.table is None
            or (candidate.table not in gone and (candidate.is_restored or candidate.revision == newest[candidate.table]))
        )
    }


def plan(candidates: Iterable[Candidate]) -> Plan:
    """What the next commit changes."""
    found = list(candidates)
    wanted = counted(found)
    there = {candidate.folder for candidate in found if candidate.in_table}
    adds, removes = wanted - there, there - wanted
    groups = tuple(_groups([candidate for candidate in found if candidate.folder in adds | removes]))
    return Plan(tuple(sorted(adds)), tuple(sorted(removes)), tuple(sorted(wanted & there)), groups)


def _groups(changing: Iterable[Candidate]) -> list[frozenset[str]]:
    """Folders that hold rows of the same table, or that name each other, together."""
    above: dict[str | TableKey, str | TableKey] = {}

    def top(key: str | TableKey) -> str | TableKey:
        while (higher := above.setdefault(key, key)) != key:
            above[key] = above[higher]
            key = higher
        return key

    found = list(changing)
    for candidate in found:
        keys: set[str | TableKey] = {*candidate.supersedes}
        if candidate.table is not None:
            keys.add(candidate.table)
        for key in keys:
            above[top(key)] = top(candidate.folder)
    groups: dict[str | TableKey, set[str]] = {}
    for candidate in found:
        groups.setdefault(top(candidate.folder), set()).add(candidate.folder)
    return [frozenset(folders) for folders in groups.values() if len(folders) > 1]


def _stands_in(candidate: Candidate) -> bool:
    """A drop's mark names this very archive. Where it names another manifest of the job, `reconcile` corrects the ledger
    first, and what is in the table stays until then."""
    if candidate.stands_in is None:
        return False
    return candidate.manifest in (None, candidate.stands_in) or candidate.in_table


def _lives(candidate: Candidate) -> bool:
    return candidate.status in (Status.ARCHIVED, Status.REMOVED) and candidate.is_marked


def _is_unknown(candidate: Candidate) -> bool:
    known = (Status.ARCHIVED, Status.REMOVED, Status.SUPERSEDED)
    return candidate.status not in known and candidate.in_table and candidate.is_marked
