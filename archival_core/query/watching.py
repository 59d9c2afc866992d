"""One question while its process answers it: the service holds the moment, and looks after everybody else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from archival_core.errors import ArchivalError, GaveWayError
from archival_core.query.kept_sessions import KeptSessions, LaterSession
from archival_core.query.question.limits import took_too_long
from archival_core.source.state.snapshot import waiting
from archival_core.source.state.snapshot.moment import Moment
from archival_core.source.state.snapshot.waiting import Sessions

if TYPE_CHECKING:
    from archival_core.query.process.asked import Asked
    from archival_core.query.process.workers import Worker

_LOOK_SECONDS: Final = 1.0
#: A process that does not keep to its time by itself is ended so much later.
_OVERTIME_SECONDS: Final = 5.0


class Watched:
    """Lets a process answer, and ends it when its time is over, or when somebody waits for a lock that it holds."""

    def __init__(self, sessions: KeptSessions, then: Moment, holder: int, aside: LaterSession) -> None:
        self._sessions, self._then, self._aside = sessions, then, aside
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

        def noted(pid: int, is_open: bool) -> None:
            self._note(pid, is_open)
            if is_open:
                # whoever begins to read asks at the first rows whether the tables are what they were
                loop.call_soon_threadsafe(self._aside.want)

        serving = Serving(
            check=lambda oid: waited(self._then.check(self._tables[oid])),
            session=noted,
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
            # what the process that was ended has to say is nobody's concern
            await asyncio.gather(work, return_exceptions=True)
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
        async with self._sessions.connect() as connection:
            for table in self._then.then:
                if who := await waiting.who_waits(connection, self._all, table.table.relation):
                    return who
        return None

    async def _end(self) -> None:
        async with self._sessions.connect() as connection:
            await waiting.end(connection, self._theirs)
