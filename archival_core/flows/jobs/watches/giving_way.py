"""Work that reads a table of the source lets go of the table when somebody else waits to alter it.

A session beside looks every second for whoever waits. The work then ends within half a second. A SELECT of an application
that queued behind the ALTER TABLE is answered some two seconds later, whatever the work itself is waiting for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Final

from archival_core.clients.postgres.database import Connection, Database, process_of
from archival_core.errors import ArchivalError, GaveWayError
from archival_core.flows.jobs.watches.calling_off import CallOff, watched
from archival_core.model.chunks.chunk import Relation
from archival_core.source.state.snapshot import waiting
from archival_core.source.state.snapshot.waiting import Sessions

_LOG = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
#: Seconds that called-off work may take to end by itself. Work that waits for the lake does not, and its sessions are then
#: ended from the server's side.
_END_SECONDS: Final = 0.5


@asynccontextmanager
async def giving_way(source: Database, connection: Connection | None, tree: Relation) -> AsyncIterator[Sessions]:
    """Watch who waits for the session of `connection`, if there is one, and for the sessions that are added inside.

    If somebody waits, the work inside is cancelled, its sessions are ended, and `GaveWayError` is raised. `tree` is the
    hypertable, or the partitioned table, whose chunk is read.
    """
    sessions = Sessions()

    async def watch(call_off: CallOff) -> None:
        gave: GaveWayError | None = None
        while True:
            await asyncio.sleep(_LOOK_SECONDS if gave is None else _END_SECONDS)
            try:
                async with source.connect() as beside:
                    if gave is None:
                        gave = await _until_somebody_waits(beside, sessions, tree)
                        _LOG.warning("%s", gave)
                        call_off(gave)
                        await asyncio.sleep(_END_SECONDS)
                    await waiting.end(beside, sessions)
            except ArchivalError as error:
                _LOG.warning("nobody sees who waits for %s: %s", tree, error)
            except Exception:
                # A defect here must not end the watch, or an application's table would stand still for as long as the work
                # takes.
                _LOG.exception("nobody sees who waits for %s", tree)

    with ExitStack() as stack:
        if connection is not None:
            stack.enter_context(sessions.with_one_more(process_of(connection)))
        async with watched(watch):
            yield sessions


async def _until_somebody_waits(beside: Connection, sessions: Sessions, tree: Relation) -> GaveWayError:
    while True:
        if who := await waiting.who_waits(beside, sessions, tree):
            return GaveWayError(f"{who}, and goes first: the work on {tree} is called off, and goes on later by itself")
        await asyncio.sleep(_LOOK_SECONDS)
