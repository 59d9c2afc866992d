"""A few connections to one database, opened when they are wanted, and asked whether they answer unless they just did.

A pool that connects in the background tells nobody why it cannot, and is late by its own back-off when the server is there
again. Here whoever wants a connection makes it: what is wrong comes out as it is, and the first who asks after an outage is
served.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg.pq import TransactionStatus

from archival_core.clients.postgres.database import Connection, Database, check, end_session
from archival_core.clients.postgres.settings import NOTHING_MORE
from archival_core.errors import PostponedError, TransientError

#: in seconds: a connection that nobody wanted for so long is closed, so that an instance that waits holds none
_IDLE_SECONDS: Final = 60.0
#: in seconds: a connection that is so old is closed, since its token is over and its session's memory has grown
_LIFETIME_SECONDS: Final = 3600.0
#: in seconds: a connection that answered so lately, and from which nothing came since, is not asked whether it answers, which
#: would be a way to the server for each statement of a job
_BELIEVED_SECONDS: Final = 1.0
#: A server that restarts, or has no connection left, is asked again after these pauses, and then after the last one.
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0)
#: What passes within seconds. Nothing else is worth waiting for here.
_PASSING: Final = frozenset({"database", "database-missing", "database-connections", "database-busy"})


@dataclass(slots=True)
class _Kept:
    """A connection that nobody uses."""

    connection: Connection
    born: float
    since: float
    #: it is not used again
    is_over: bool = False


class ConnectionPool:
    """At most `size` connections of one event loop to `database`, whose sessions begin with `settings`.

    A connection is used for `lifetime_seconds` at most, or for an hour. With `begins_anew`, each use has a session of its own,
    of which nothing is left when the use is over; the connection of a use that fails is closed.
    """

    def __init__(
        self,
        database: Database,
        size: int,
        settings: Mapping[LiteralString, LiteralString] = NOTHING_MORE,
        *,
        lifetime_seconds: float = math.inf,
        begins_anew: bool = False,
    ) -> None:
        self._database, self._places, self._settings = database, asyncio.Semaphore(size), settings
        self._begins_anew = begins_anew
        self._lifetime_seconds = min(lifetime_seconds, _LIFETIME_SECONDS)
        self._idle_seconds = min(lifetime_seconds, _IDLE_SECONDS)
        #: in the order of their last use
        self._idle: list[_Kept] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def close(self) -> None:
        """Close what nobody uses now, and the rest when it comes back."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        self.forget()
        await asyncio.gather(*self._closing)

    @asynccontextmanager
    async def connection(self, seconds: float) -> AsyncIterator[Connection]:
        """A connection that has answered within the last second, in autocommit mode.

        Raises `TransientError` if there is none within `seconds`: why the server gives none, or `connections-in-use`.
        """
        await self._place(seconds)
        try:
            session = await self._session(time.monotonic() + seconds)
            try:
                yield session.connection
                if self._begins_anew:
                    await _end(session)
            except BaseException as error:
                is_read_only = isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
                if is_read_only or self._begins_anew:
                    session.is_over = True
                if is_read_only:
                    # the address may lead to another server by now, which is the primary
                    self.forget()
                raise
            finally:
                self._give_back(session)
        finally:
            self._places.release()

    async def _place(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            raise PostponedError(f"all connections are in use for {seconds:.0f} s", code="connections-in-use") from None

    async def _session(self, deadline: float) -> _Kept:
        return await self._living() or await self._made(deadline)

    async def _living(self) -> _Kept | None:
        """The connection that was used last, if it still answers. If not, none of the others is believed either."""
        newest = self._newest()
        if newest is None:
            return None
        is_believed = time.monotonic() - newest.since < _BELIEVED_SECONDS and _is_quiet(newest.connection)
        if is_believed and not self._begins_anew:
            return newest
        try:
            if self._begins_anew:
                await self._database.begin(newest.connection, self._settings)
            else:
                await check(newest.connection)
        except psycopg.Error:
            self._close(newest.connection)
            self.forget()
            return None
        except BaseException:
            self._close(newest.connection)
            raise
        return newest

    def _newest(self) -> _Kept | None:
        """The connection that was used last; those that are too old are closed."""
        while self._idle:
            newest = self._idle.pop()
            if time.monotonic() - newest.born < self._lifetime_seconds:
                return newest
            self._close(newest.connection)
        return None

    def forget(self) -> None:
        """Close those that nobody uses: what happened to one happened to all, as when another server is the primary."""
        for kept in self._idle:
            self._close(kept.connection)
        self._idle.clear()

    async def _made(self, deadline: float) -> _Kept:
        tries = 0
        while True:
            try:
                connection = await self._database.opened(self._settings)
            except TransientError as error:
                pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
                if error.code not in _PASSING or time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
                tries += 1
            else:
                if self._begins_anew:
                    # what the driver prepares ends with the session, which the driver does not notice
                    connection.prepare_threshold = None
                now = time.monotonic()
                return _Kept(connection, born=now, since=now)

    def _give_back(self, session: _Kept) -> None:
        connection, now = session.connection, time.monotonic()
        if connection.closed:
            self.forget()
        is_idle = connection.info.transaction_status is TransactionStatus.IDLE
        if self._is_closed or not is_idle or session.is_over or now - session.born >= self._lifetime_seconds:
            self._close(connection)
            return
        session.since = now
        self._idle.append(session)
        self._sweep_later()

    def _sweep_later(self) -> None:
        if self._sweep is None and self._idle:
            wait = max(min(kept.since for kept in self._idle) + self._idle_seconds - time.monotonic(), 0.0)
            self._sweep = asyncio.get_running_loop().call_later(wait, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweep = None
        limit = time.monotonic() - self._idle_seconds
        for kept in [kept for kept in self._idle if kept.since <= limit]:
            self._idle.remove(kept)
            self._close(kept.connection)
        self._sweep_later()

    def _close(self, connection: Connection) -> None:
        # in a task of its own: who gives a connection back may be being cancelled
        task = asyncio.get_running_loop().create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _end(session: _Kept) -> None:
    try:
        await end_session(session.connection)
    except psycopg.Error:
        session.is_over = True


def _is_quiet(connection: Connection) -> bool:
    """Whether nothing has come from the server since its last answer: what ends a session says so, or closes the connection."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return not selector.select(0)
