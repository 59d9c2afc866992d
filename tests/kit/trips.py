"""How often a piece of work goes to the lake and to PostgreSQL, each of which takes time on the way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import psycopg
import pytest
from aiohttp import web

from dev.lake_emulator import Emulator


@dataclass
class Trips:
    """Requests and round trips, one after the other or not; the driver that reads and loads rows is not among them."""

    #: by method and what they ask for
    lake: Counter[str] = field(default_factory=Counter)
    #: statements, each with its answer; beginnings and ends of transactions among them
    postgresql: int = 0
    #: sessions that were opened, which takes several ways each
    sessions: int = 0


@contextmanager
def counted(emulator: Emulator) -> Iterator[Trips]:
    """Count what is inside."""
    trips, faults, ways = Trips(), emulator.faults, Ways()
    wait, connect = psycopg.AsyncConnection.wait, psycopg.AsyncConnection.connect
    take = faults.take

    def taking(request: web.Request) -> Any:
        trips.lake[f"{request.method} {_asked_for(request)}"] += 1
        return take(request)

    async def waiting(self: Any, work: Any, *arguments: Any, **options: Any) -> Any:
        trips.postgresql += ways.goes(self, work.__qualname__)
        return await wait(self, work, *arguments, **options)

    async def connecting(*arguments: Any, **options: Any) -> Any:
        trips.sessions += 1
        return await connect(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults, "take", taking)
        patch.setattr(psycopg.AsyncConnection, "wait", waiting)
        patch.setattr(psycopg.AsyncConnection, "connect", connecting)
        yield trips


class Ways:
    """Tells which work of psycopg's goes to the server."""

    def __init__(self) -> None:
        #: connections in pipelines with statements that nobody waits for yet
        self._asked: WeakSet[psycopg.AsyncConnection[Any]] = WeakSet()

    def goes(self, connection: psycopg.AsyncConnection[Any], work: str) -> bool:
        """Statements of a pipeline go together, when the answer to one of them is waited for, or the pipeline ends. Their
        answers may come in pieces. Settings of psycopg's own stay here, and so does the commit of a connection in autocommit
        mode.
        """
        if not connection.pgconn.pipeline_status:
            return not re.search(r"\._set_|BasePipeline|_commit_gen", work)
        if work == "BasePipeline._fetch_gen":
            is_awaited = connection._pipeline is not None and bool(connection._pipeline.result_queue)
            goes = is_awaited and connection in self._asked
        else:
            goes = work in ("BasePipeline._exit_gen", "BasePipeline._sync_gen")
            self._asked.add(connection)
        if goes:
            self._asked.discard(connection)
        return goes


def _asked_for(request: web.Request) -> str:
    query = request.rel_url.query
    what = next((query[key] for key in ("action", "resource", "comp") if key in query), "")
    if "x-ms-rename-source" in request.headers:
        what = "rename"
    name = request.path.rpartition("/")[2]
    kind = "part" if name.endswith(".parquet") else "manifest" if name.endswith(".json") else "folder"
    return f"{what} {kind}".strip()
