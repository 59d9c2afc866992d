"""Parts of a chunk are read by several readers at the same time."""

from __future__ import annotations

import asyncio
from itertools import takewhile

import pytest

from archival_core.errors import TransientError
from archival_core.flows.archive.readers import read_parts
from archival_core.model.chunks.part_range import PageRange, PartRange

PARTS = [(number, PageRange(first_page=number, end_page=number + 1)) for number in range(5)]


async def test_each_part_is_read_once_and_no_more_at_a_time_than_there_are_readers() -> None:
    begun: list[tuple[int, PartRange]] = []
    now, most = 0, 0

    async def read(number: int, part: PartRange) -> None:
        nonlocal now, most
        begun.append((number, part))
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0)
        now -= 1

    await read_parts(2, PARTS, read)
    assert (begun, most) == (PARTS, 2)


async def test_parts_that_end_early_end_the_reading() -> None:
    done: list[int] = []

    async def read(number: int, _: PartRange) -> None:
        await asyncio.sleep(0)
        done.append(number)

    await read_parts(2, takewhile(lambda _: not done, PARTS), read)
    assert done == [0, 1], "both readers had drawn a part by then"


async def test_the_error_of_a_reader_is_raised_as_it_is_and_ends_the_others() -> None:
    cancelled: list[int] = []

    async def read(number: int, _: PartRange) -> None:
        if number == 1:
            raise TransientError("the lake is away", code="lake-unavailable")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    with pytest.raises(TransientError, match="the lake is away"):
        await read_parts(3, PARTS, read)
    assert sorted(cancelled) == [0, 2]
