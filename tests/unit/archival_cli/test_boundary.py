"""What of a hypertable is where, by the chunks that the service knows."""

from __future__ import annotations

from typing import Any

from archival_cli.commands.lake.boundary import Extent, extent_in_database, extent_in_lake


def _chunk(begin: str | None, end: str | None, state: str, *, there: bool, size: int | None = 10) -> dict[str, Any]:
    sizes = {"parquet_bytes": size, "database_bytes": size if there else None}
    return {"range_start": begin, "range_end": end, "state": state, "in_database": there, **sizes}


def test_whole_numbers_are_in_their_order() -> None:
    chunks = [
        _chunk("90", "100", "removed", there=False),
        _chunk("100", "110", "archived", there=True, size=7),
        _chunk("1000", "1010", "failed", there=True, size=5),
        _chunk("-20", "-10", "restoring", there=False),
        _chunk(None, "5000", "removed", there=False),
    ]
    assert extent_in_lake(chunks) == Extent(("-20", "110"), 37)
    assert extent_in_database(chunks) == Extent(("100", "1010"), 12)


def test_nothing_is_nowhere() -> None:
    assert extent_in_lake([]) == extent_in_database([]) == Extent(None, 0)
