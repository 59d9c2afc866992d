"""Archives that stand in for rows, and of which neither ledger nor lake says more: whose questions they stop.

A table may have been renamed since its archives were made, so the name in a mark does not say whose rows are missing. Its
other archives do, and the ledger's record of columns. A question to a table that cannot have lost rows goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from archival_core.errors import PermanentError
from archival_core.lake.paths import INNER_MANIFEST, archive_manifest
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source.state.moment import StandingArchive, TableThen

_HALF: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Unexplained:
    """Marks of which nobody knows the archive."""

    marks: tuple[StandingArchive, ...]
    #: by the marks' hypertables: the tables that are known to have had this name
    owners: Mapping[str, Collection[TableIdentity]]
    #: by the marks' hypertables: the table that has the name now, if there is one
    present: Mapping[str, TableIdentity]

    def check(self, table: TableThen) -> None:
        """Raise `PermanentError` (`archive-not-found`) if one of the archives may stand in for rows of `table`."""
        for mark in self.marks:
            if self._may_be_of(mark, table):
                raise refused(mark, table)

    def _may_be_of(self, mark: StandingArchive, table: TableThen) -> bool:
        if mark.hypertable == str(table.table.relation):
            return True
        if owners := self.owners[mark.hypertable]:
            return table.identity in owners
        present = self.present.get(mark.hypertable)
        # Nobody says who had the name. A table that has it now, and was there when the chunk was made, has had it all along; a
        # younger one has the name from somebody whose present name is not known.
        return present is None or _is_younger(present.born, mark.born)


def refused(mark: StandingArchive, table: TableThen | None = None) -> PermanentError:
    """What to say of a question that would miss the rows of the archive."""
    of = str(table.table.relation) if table else mark.hypertable
    doubt = "" if of == mark.hypertable else f", and nobody knows any more whether these are of {of}, which was renamed since"
    return PermanentError(
        f"{of} cannot be asked: the archive {mark.lake_path} stands in for rows of {mark.hypertable}{doubt}, and its manifest"
        " is neither in the ledger nor in the lake, or is damaged. Bring back the ledger, or an earlier version of"
        f" {archive_manifest(mark.lake_path)} or {mark.lake_path}/{INNER_MANIFEST}. Other tables can be asked",
        code="archive-not-found",
    )


def _is_younger(born: str, than: str) -> bool:
    """By transaction numbers, which come round; true where they do not tell."""
    if not (born.isdigit() and than.isdigit()):
        return True
    return 0 < (int(born) - int(than)) % (2 * _HALF) < _HALF
