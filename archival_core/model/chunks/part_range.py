"""Which rows of a chunk one part has: a range of the chunk's pages, or of its time."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Range(BaseModel):
    # the fields alone tell the two kinds apart in the ledger
    model_config = ConfigDict(frozen=True, extra="forbid")


class PageRange(_Range):
    """The rows in the pages from `first_page` on, and before `end_page`; `None` is an open end, so that no row is left out."""

    first_page: int = 0
    end_page: int | None = None

    def pages(self, of: int) -> range:
        """The pages of this part, in a table that has `of` pages."""
        return range(self.first_page, of if self.end_page is None else self.end_page)


class TimeRange(_Range):
    """The rows whose time is `from_time` or later, and before `before_time`; `None` is an open end.

    Both are text as PostgreSQL prints a value of the time column under ISO and UTC.
    """

    from_time: str | None
    before_time: str | None


type PartRange = PageRange | TimeRange

#: Every row.
WHOLE = PageRange()
