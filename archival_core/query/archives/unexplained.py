"""Archives that stand in for rows, and of which neither ledger nor lake says more: whose questions they stop.

A table may have been renamed since its archives were made, so the name in a mark does not say whose rows are missing. Other
archives under the name, and the ledger's record of columns, name tables that had it, but not all of them. So a question goes on
only where the catalog itself shows that its table never had the name while the chunk was there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from archival_core.errors import PermanentError
from archival_core.lake.paths import INNER_MANIFEST, archive_manifest
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source.state.marks.standing import StandingArchive
from archival_core.source.state.snapshot.moment import Bearer, TableThen

_HALF: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Unexplained:
    """Marks of which nobody knows the archive."""

    marks: tuple[StandingArchive, ...]
    #: by the marks' hypertables: tables that are known to have had this name; there may have been others
    owners: Mapping[str, Collection[TableIdentity]]
    #: by name: the table that has it now, if there is one; of the marks' hypertables, and of the tables that are asked
    bearers: Mapping[str, Bearer]

    def check(self, table: TableThen) -> None:
        """Raise `PermanentError` (`archive-not-found`) if one of the archives may stand in for rows of `table`."""
        for mark in self.marks:
            if self._may_be_of(mark, table):
                raise refused(mark, table)

    def _may_be_of(self, mark: StandingArchive, table: TableThen) -> bool:
        own = str(table.table.relation)
        below = table.below.values()
        owners = self.owners[mark.hypertable]
        if mark.hypertable in (own, *table.below) or any(one == table.identity or one.oid in below for one in owners):
            return True
        # The name belonged to whoever has it now, if that table has had it since before the chunk was made; and a table that
        # has had another name since then never had this one while the chunk was there.
        bearers = (self.bearers.get(name) for name in (mark.hypertable, own))
        return not any(bearer is not None and _is_named_before(bearer, mark) for bearer in bearers)


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


def _is_named_before(bearer: Bearer, mark: StandingArchive) -> bool:
    """Whether the table has had its name since before the mark's chunk was made; false where nobody can tell.

    A mark that came with a dump has the number of a transaction of another server, which is in no order with those here.
    """
    return all(_is_in_order(name, mark.born) for name in bearer.named) and _is_in_order(mark.born, mark.marked)


def _is_in_order(first: str, then: str) -> bool:
    """By transaction numbers, which come round."""
    return first.isdigit() and then.isdigit() and (int(then) - int(first)) % (2 * _HALF) < _HALF
