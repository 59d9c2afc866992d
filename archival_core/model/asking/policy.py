"""A policy: from which age on the chunks of a hypertable are archived, and removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation

#: 1,000 years as PostgreSQL compares intervals, with months of 30 days
_LONGEST = timedelta(days=360_000)


#: `keep`: their rows live in the lake; `forget`: their rows are no part of the table any more.
DroppedByOthers = Literal["keep", "forget"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Ages are those of the end of a chunk's range, by the database's clock."""

    hypertable: Relation
    archive_after: timedelta
    #: `None` never removes
    remove_after: timedelta | None = None
    enabled: bool = True
    #: why it makes no jobs, as of its last run
    problem: str | None = None
    #: whether the rows of an archive whose chunk others drop stay part of the table
    dropped_by_others: DroppedByOthers = "keep"

    def check(self) -> None:
        """Raise `PermanentError` (`invalid-policy`) for ages that make no sense."""
        if not timedelta(0) < self.archive_after <= _LONGEST:
            raise PermanentError(
                f"archive_after is {self.archive_after}; write more than 0 and at most {_LONGEST.days} days",
                code="invalid-policy",
            )
        if self.remove_after is not None and not self.archive_after <= self.remove_after <= _LONGEST:
            raise PermanentError(
                f"remove_after is {self.remove_after}; write at least archive_after ({self.archive_after}), since a chunk is"
                f" removed only after it is archived, and at most {_LONGEST.days} days",
                code="invalid-policy",
            )
