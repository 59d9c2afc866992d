"""What a question has read, archive by archive, and why it has not read the others."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

#: Why an archive was not read: its range of time holds no row for the filters, nor do the statistics in its files, or it has no
#: rows at all; or no scan came to the table, because another part of the question had shown that there is nothing to find.
Why = Literal["range", "statistics", "empty", "not needed"]


@dataclass(slots=True)
class ArchiveRead:
    """One archive that stands in for rows of a table."""

    chunk: str
    #: its folder in the lake
    archive: str
    rows: int
    bytes: int
    #: of the time column, as text; `None` where times are not numbers
    begin: str | None
    end: str | None
    is_read: bool = False
    why: Why | None = "not needed"
    #: in the files that were opened, and of these the ones that the statistics let through
    row_groups: int = 0
    row_groups_read: int = 0
    #: of the columns that were needed, as they lie in the lake
    bytes_read: int = 0


@dataclass(slots=True)
class TableRead:
    """One table of a question."""

    table: str
    archives: dict[str, ArchiveRead] = field(default_factory=dict)
    #: what PostgreSQL was asked, one for each time that the table was read
    conditions: list[str] = field(default_factory=list)
    live_rows: int = 0
    #: of the database: chunk, and whether PostgreSQL's plan reads it
    chunks: dict[str, bool] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """In JSON's own types."""
        return asdict(self) | {
            "archives": [asdict(archive) for archive in self.archives.values()],
            "chunks": [{"chunk": chunk, "is_read": is_read} for chunk, is_read in self.chunks.items()],
        }
