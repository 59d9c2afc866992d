"""What flows write, in the order in which it is written: to the ledger, the source, the lake, the queue and Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import pytest

from archival_core.clients.queue import QueueClient
from archival_core.clients.redis.messaging import MessagingClient
from archival_core.flows.archive import chunk_archiver
from archival_core.flows.restore import chunk_restore
from archival_core.lake.client import LakehouseClient
from archival_core.lake.tables.log import TableLog
from archival_core.ledger.archives.removals import Removals
from archival_core.ledger.archives.restores import Restores
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.ledger.tables.lake_tables import HeldTable
from archival_core.source.removal import dropping
from archival_core.source.state.marks import readings, stand_ins

#: By where the effect is made: its name.
_EFFECTS: Final[tuple[tuple[Any, str, str], ...]] = (
    (Ledger, "add_jobs", "ledger: jobs"),
    (QueueClient, "send", "queue: messages"),
    (Ledger, "messaged", "ledger: messaged"),
    (MessagingClient, "acknowledge", "redis: acknowledged"),
    (LakeColumns, "decide", "ledger: columns"),
    (readings, "mark_reading", "source: reading marked"),
    (Ledger, "begin_parts", "ledger: parts begun"),
    (Ledger, "add_part", "ledger: part"),
    (Ledger, "declare", "ledger: hash"),
    (LakehouseClient, "publish_directory", "lake: renamed"),
    (chunk_archiver, "write_manifest", "lake: manifest"),
    (Ledger, "finish_archive", "ledger: archived"),
    (MessagingClient, "announce", "redis: told"),
    (Ledger, "mark_announced", "ledger: told"),
    (TableLog, "write", "lake: commit"),
    (HeldTable, "record", "ledger: commit"),
    (stand_ins, "record", "source: mark"),
    (dropping, "drop", "source: dropped"),
    (Removals, "finish", "ledger: removed"),
    (chunk_restore, "place", "source: rows"),
    (chunk_restore.ChunkRestorer, "_place", "source: committed"),
    (Restores, "finish", "ledger: restored"),
)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The effects inside, each once it is over."""
    effects: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for owner, method, name in _EFFECTS:
            patch.setattr(owner, method, _telling(getattr(owner, method), name, effects))
        locked = dropping.locked

        @asynccontextmanager
        async def committing(*arguments: Any) -> AsyncIterator[None]:
            async with locked(*arguments):
                yield
            effects.append("source: committed")

        patch.setattr(dropping, "locked", committing)
        yield effects


def _telling(inner: Any, name: str, effects: list[str]) -> Any:
    async def telling(*arguments: Any, **options: Any) -> Any:
        result = await inner(*arguments, **options)
        effects.append(name)
        return result

    return telling
