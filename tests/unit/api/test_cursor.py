"""Cursors come back as they went, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archival_core.api.management.requests import cursor
from archival_core.errors import PermanentError
from archival_core.model.insight.chunk_state import ChunkCursor, position


@given(st.decimals(allow_nan=False, min_value=-(2**62), max_value=2**62, places=6), st.text("abc._äé", max_size=60))
def test_a_place_among_chunks_comes_back(found: Decimal, chunk: str) -> None:
    place = ChunkCursor(found, chunk, 3)
    assert cursor.read_chunk(cursor.of_chunk(place)) == place


@pytest.mark.parametrize("end", ["-Infinity", "Infinity"])
def test_an_open_end_comes_back(end: str) -> None:
    place = ChunkCursor(Decimal(end), "public.x")
    assert cursor.read_chunk(cursor.of_chunk(place)) == place


@given(st.text(max_size=80))
def test_anything_else_is_refused(text: str) -> None:
    for read in (cursor.read_job, cursor.read_chunk):
        with pytest.raises(PermanentError) as refused:
            read(text)
        assert refused.value.code == "invalid-cursor"


@pytest.mark.parametrize(
    "parts",
    [
        ["j1", "2026-01-01T00:00:00", str(uuid4())],
        ["j1", datetime.now(UTC).isoformat(), "x"],
        ["j1", "0001-01-01T00:00:00+14:00", str(uuid4())],
        ["c1", "NaN", "x", "0"],
        ["c1", "1e99", "x", "0"],
        ["c1", "1", "a\0b", "0"],
        ["c1", "1", "x", "-2"],
        ["c1", "1", "x", str(2**31)],
        ["c1", "1", "x"],
    ],
)
def test_a_forged_one_is_refused(parts: list[str]) -> None:
    read = cursor.read_job if parts[0] == "j1" else cursor.read_chunk
    with pytest.raises(PermanentError):
        read(cursor._write(parts))


def test_positions_are_those_of_the_ledger() -> None:
    assert position("1970-01-02T00:00:00.5Z") == Decimal("86400.5")
    assert position("-42") == -42
    assert position(None) == position("-infinity") == Decimal("-Infinity")
    assert position("infinity") == Decimal("Infinity")
