"""Ways to break the service, so that a test can see the checker find it. Used by the tests of the harness alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

_WAYS: dict[str, Callable[[], None]] = {}


def apply(name: str) -> None:
    """Break the service of this process."""
    _WAYS[name]()


def _way(function: Callable[[], None]) -> Callable[[], None]:
    _WAYS[function.__name__] = function
    return function


@_way
def acknowledges_first() -> None:
    """An event is acknowledged before its job and its message are there."""
    from archival_core.flows.asking.event_drain import EventDrain

    take = EventDrain._take

    async def hasty(self: Any, batch: Any, report: Any) -> None:
        await self._messaging.acknowledge([entry.entry_id for entry in batch])
        await take(self, batch, report)

    EventDrain._take = hasty  # type: ignore[method-assign]


@_way
def trusts_the_lake() -> None:
    """What was written is not compared with what reads back."""
    from archival_core.flows.archive import part_archiver

    part_archiver._check_equal = lambda *_: None
    part_archiver._check_bytes = lambda *_: None
    part_archiver.PartArchiver._read = lambda *_: None  # type: ignore[method-assign,assignment,return-value]


@_way
def drops_rows() -> None:
    """The first row of each batch is left out, and nobody counts."""
    from archival_core.flows.archive import part_archiver, reading

    read = part_archiver.read_batches

    def fewer(*args: Any, **kwargs: Any) -> Iterator[pa.RecordBatch]:
        for batch in read(*args, **kwargs):
            yield batch.slice(1)

    part_archiver.read_batches = fewer  # type: ignore[assignment]
    reading.Reading.check_total = lambda self, done: None  # type: ignore[method-assign]


@_way
def doubles_rows() -> None:
    """Each batch comes twice, and nobody counts."""
    from archival_core.flows.archive import part_archiver, reading

    read = part_archiver.read_batches

    def more(*args: Any, **kwargs: Any) -> Iterator[pa.RecordBatch]:
        for batch in read(*args, **kwargs):
            yield batch
            yield batch

    part_archiver.read_batches = more  # type: ignore[assignment]
    reading.Reading.check_total = lambda self, done: None  # type: ignore[method-assign]


@_way
def ignores_the_fence() -> None:
    """A chunk that has changed is taken for unchanged."""
    from archival_core.flows.archive import chunk_archiver, reading

    async def unchanged(*_: Any) -> bool:
        return True

    chunk_archiver.is_unchanged = unchanged
    reading.Reading.check_total = lambda self, done: None  # type: ignore[method-assign]
