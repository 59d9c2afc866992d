"""One question while its process answers it: the service holds the moment, and looks after everybody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, LiteralString

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, GaveWayError
from archival_core.query.question.limits import took_too_long
from archival_core.source.state.snapshot import waiting
from archival_core.source.state.snapshot.moment import Moment
from archival_core.source.state.snapshot.waiting import Sessions

if TYPE_CHECKING:
    from archival_core.query.process.asked import Asked
    from archival_core.query.process.workers import Worker

APPLICATION: Final[LiteralString] = "archival_query"
_SAY_WHOSE: Final[LiteralString] = f"SET application_name = '{APPLICATION}'"
_LOOK_SECONDS: Final = 1.0
#: A process that does not keep to its time by itself is ended so much later.
_OVERTIME_SECONDS: Final = 5.0


class Watched:
    """Lets a process answer, and ends it when its time is over, or when somebody waits for a lock that it holds."""

    def __init__(self, source: Database, then: Moment, holder: int) -> None:
        self._source, self._then = source, then
        #: of the process, and all that the question has
        self._theirs, self._all = Sessions(), Sessions()
        self._all.add(holder)
        self._tables = {table.table.oid: table for table in then.then}

    async def answer(self, worker: Worker, asked: Asked, write: Callable[[bytes], None]) -> dict[str, Any]:
        """What the process says when it has written the result; raises as `Queries.ask`."""
        from archival_core.query.process.workers import Serving

        loop = asyncio.get_running_loop()

        def waited(work: Coroutine[Any, Any, None]) -> None:
            asyncio.run_coroutine_threadsafe(work, loop).result()

        serving = Serving(
            check=lambda oid: waited(self._then.check(self._tables[oid])),
            session=self._note,
            end=lambda: waited(self._end()),
            write=write,
        )
        work = asyncio.create_task(asyncio.to_thread(worker.answer, asked, serving))
        begun = time.monotonic()
        ended: ArchivalError | None = None
        try:
            while not (await asyncio.wait([work], timeout=_LOOK_SECONDS))[0]:
                if ended is None and (who := await self._who_waits()):
                    ended = GaveWayError(f"{who}, and goes first: ask again")
                if ended is None and time.monotonic() - begun > asked.limits.seconds + _OVERTIME_SECONDS:
                    ended = took_too_long(asked.limits)
                if ended is not None:
                    worker.kill()
        except BaseException:
            worker.kill()
            await asyncio.wait([work])
            raise
        finally:
            # a process that was ended leaves its sessions at work
            if self._theirs.pids:
                await self._end()
        try:
            return work.result()
        except Exception as error:
            if ended is not None:
                raise ended from error
            raise

    def _note(self, pid: int, is_open: bool) -> None:
        for sessions in (self._theirs, self._all):
            if is_open:
                sessions.add(pid)
            else:
                sessions.discard(pid)

    async def _who_waits(self) -> str | None:
        async with beside(self._source) as connection:
            for table in self._then.then:
                if who := await waiting.who_waits(connection, self._all, table.table.relation):
                    return who
        return None

    async def _end(self) -> None:
        async with beside(self._source) as connection:
            await waiting.end(connection, self._theirs)


@asynccontextmanager
async def beside(source: Database) -> AsyncIterator[Connection]:
    """A session that says whose it is."""
    async with source.connect() as connection:
        await connection.execute(_SAY_WHOSE)
        yield connection
