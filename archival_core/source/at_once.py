"""Questions to the source that share their ways to the server.

The questions of one `at_once` are put side by side. Whenever each of those that are left has a statement to ask, all these
statements go to the server together, and their answers come back together: in a pipeline where the stretch is one
(`session.piped`), and else as one message. After the answer to one message the server counts the session as idle, and ends
it where it is frozen while it holds locks. After a pipeline it does not always: the client sends a Flush behind the Sync.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString, Self, overload
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncClientCursor, AsyncConnection, AsyncCursor
from psycopg.abc import Params, Query
from psycopg.pq.abc import PGresult
from psycopg.rows import Row, dict_row

type _Question[Answer] = Coroutine[Any, Any, Answer]


@dataclass(frozen=True, slots=True)
class _Failed:
    """A question that raised an error in place of an answer."""

    #: among those asked at once
    place: int
    error: Exception


@dataclass(frozen=True, slots=True)
class _Asked:
    """A statement that waits for the next way to the server."""

    cursor: _Cursor[Any]
    query: Query
    values: Params | None
    options: dict[str, Any]
    answered: asyncio.Future[None]


@dataclass(slots=True)
class _Ways:
    """The ways to the server that questions to one connection share."""

    conn: AsyncConnection[Any]
    #: questions that have no statement to ask just now
    thinking: int
    waiting: list[_Asked] = field(default_factory=list)

    async def ask(self, cursor: _Cursor[Any], query: Query, values: Params | None, options: dict[str, Any]) -> None:
        """Ask together with what the other questions ask."""
        asked = _Asked(cursor, query, values, options, asyncio.get_running_loop().create_future())
        self.waiting.append(asked)
        self.thinking -= 1
        await self.go()
        await asked.answered

    async def go(self) -> None:
        """Go, if nobody is left who might have something to ask on the same way."""
        if self.thinking or not self.waiting:
            return
        asked, self.waiting = self.waiting, []
        is_piped = bool(self.conn.pgconn.pipeline_status)
        try:
            await (_send_each(asked) if is_piped else _send_together(self.conn, asked))
        except _NotAnsweredError as error:
            # as in a pipeline: only whoever asked the statement that failed knows what its error means
            _fail([asked[error.place]], error.error)
            _fail(asked, psycopg.errors.PipelineAborted("another statement of the same message failed"))
        except Exception as error:
            _fail(asked, error)
        except BaseException:
            # one question alone may have been cancelled, by a time limit of its own, and the others wait for their answers
            _fail(asked, psycopg.OperationalError("the question that went to the server for this one was cancelled"))
            # psycopg does not always leave a pipeline that was cancelled; to close the session ends its transaction
            if is_piped:
                await self.conn.close()
            raise
        finally:
            self.thinking += len(asked)


class _NotAnsweredError(Exception):
    """One of the statements of a message failed. Those before it are undone, and those behind it were not tried."""

    def __init__(self, place: int, error: psycopg.Error) -> None:
        super().__init__(place, error)
        self.place, self.error = place, error


class _Answers(AsyncCursor[Any]):
    """The answers to one message."""

    arrived = 0

    def _check_results(self, results: list[PGresult]) -> None:
        self.arrived = len(results)  # of which the last one is the error, if there is one
        super()._check_results(results)


class _Cursor(AsyncCursor[Row]):
    """A cursor whose statement waits for the statements of other questions."""

    _taken: tuple[list[Row], int] | None = None

    async def execute(self, query: Query, params: Params | None = None, **options: Any) -> Self:
        ways, self._taken = _WAYS.get(self.connection), None
        if ways is None:
            return await self.send(query, params, **options)
        await ways.ask(self, query, params, options)
        return self

    async def send(self, query: Query, params: Params | None, **options: Any) -> Self:
        """Execute it now."""
        return await super().execute(query, params, **options)  # type: ignore[arg-type]

    async def take(self, answers: AsyncCursor[Any], place: int) -> None:
        """Have one of several answers as that to the statement."""
        answers.row_factory = self.row_factory
        await answers.set_result(place)
        self._taken = await answers.fetchall() if answers.description is not None else [], answers.rowcount

    async def fetchone(self) -> Row | None:
        if self._taken is None:
            return await super().fetchone()
        return self._taken[0].pop(0) if self._taken[0] else None

    async def fetchall(self) -> list[Row]:
        if self._taken is None:
            return await super().fetchall()
        rows, count = self._taken
        self._taken = [], count
        return rows

    @property
    def rowcount(self) -> int:
        return super().rowcount if self._taken is None else self._taken[1]


async def _send_each(asked: Sequence[_Asked]) -> None:
    """Into the pipeline; the answers are fetched by who wants them first.

    Nobody fetches before all are sent: whoever waits for an answer holds the connection, and the next statement would be a way
    of its own.
    """
    sent: list[_Asked] = []
    try:
        for one in asked:
            await one.cursor.send(one.query, one.values, **one.options)
            sent.append(one)
    finally:
        for one in sent:
            _answered(one)


async def _send_together(conn: AsyncConnection[Any], asked: Sequence[_Asked]) -> None:
    """As one message, which has no place for values beside the statements.

    The server reads a literal while it reads the statement, and a value only where it comes to it: what may be no value of a
    type is cast from a text to it.
    """
    quoting = AsyncClientCursor(conn)
    statements = [quoting.mogrify(one.query, one.values) for one in asked]
    async with _Answers(conn) as answers:
        try:
            # a statement may end with a comment, and code of a table's owner may have set another encoding
            await answers.execute("\n;".join(statements).encode(conn.info.encoding), prepare=False)
        except psycopg.Error as error:
            if error.sqlstate is None or not 0 < answers.arrived <= len(asked):
                raise
            raise _NotAnsweredError(answers.arrived - 1, error) from error
        if answers.arrived != len(asked):
            # with two statements in the place of one, questions would take the answers to others
            raise RuntimeError(f"{len(asked)} statements have {answers.arrived} answers")
        for place, one in enumerate(asked):
            await one.cursor.take(answers, place)
            _answered(one)


def _answered(asked: _Asked) -> None:
    if not asked.answered.done():  # whoever asked may have been cancelled
        asked.answered.set_result(None)


def _fail(asked: Sequence[_Asked], error: Exception) -> None:
    for one in asked:
        if not one.answered.done():
            one.answered.set_exception(error)
            one.answered.exception()  # whoever went was cancelled, and does not ask for it


#: The ways of connections to which questions are put at once.
_WAYS: Final[WeakKeyDictionary[AsyncConnection[Any], _Ways]] = WeakKeyDictionary()


@overload
async def at_once[A, B](conn: AsyncConnection[Any], a: _Question[A], b: _Question[B], /) -> tuple[A, B]: ...
@overload
async def at_once[A, B, C](
    conn: AsyncConnection[Any], a: _Question[A], b: _Question[B], c: _Question[C], /
) -> tuple[A, B, C]: ...
@overload
async def at_once[A, B, C, D](
    conn: AsyncConnection[Any], a: _Question[A], b: _Question[B], c: _Question[C], d: _Question[D], /
) -> tuple[A, B, C, D]: ...
@overload
async def at_once[A, B, C, D, E](
    conn: AsyncConnection[Any], a: _Question[A], b: _Question[B], c: _Question[C], d: _Question[D], e: _Question[E], /
) -> tuple[A, B, C, D, E]: ...
@overload
async def at_once[A, B, C, D, E, F](
    conn: AsyncConnection[Any],
    a: _Question[A],
    b: _Question[B],
    c: _Question[C],
    d: _Question[D],
    e: _Question[E],
    f: _Question[F],
    /,
) -> tuple[A, B, C, D, E, F]: ...
@overload
async def at_once[A, B, C, D, E, F, G](
    conn: AsyncConnection[Any],
    a: _Question[A],
    b: _Question[B],
    c: _Question[C],
    d: _Question[D],
    e: _Question[E],
    f: _Question[F],
    g: _Question[G],
    /,
) -> tuple[A, B, C, D, E, F, G]: ...
async def at_once(conn: AsyncConnection[Any], /, *questions: _Question[Any]) -> tuple[Any, ...]:
    """The answers to questions of which none needs another's. Their statements share the ways to the server.

    Those of one way are answered in the order of `questions`. In them nobody may begin a transaction or copy. Raises when all
    have ended: an error of the server, if there was one, and else what the first of `questions` raised.
    """
    if not questions:
        return ()
    outer, before = _WAYS.get(conn), conn.cursor_factory
    if outer is None:
        conn.cursor_factory = _Cursor
        ways = _WAYS[conn] = _Ways(conn, len(questions))
    else:
        ways = outer
        ways.thinking += len(questions) - 1  # they ask in the place of whoever asks for all of them
    failed: list[_Failed] = []
    left = len(questions)

    async def answer(place: int, question: _Question[Any]) -> Any:
        nonlocal left
        found = None
        try:
            found = await question
        except Exception as error:
            failed.append(_Failed(place, error))
        left -= 1
        if left:  # the last one leaves its place to whoever asked for all of them
            ways.thinking -= 1
            await ways.go()
        return found

    try:
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(answer(place, question)) for place, question in enumerate(questions)]
    finally:
        if outer is None:
            del _WAYS[conn]
            conn.cursor_factory = before
    if failed:
        raise _told(failed)
    return tuple(task.result() for task in answers)


def _told(failed: Sequence[_Failed]) -> Exception:
    """What has to be told: an error of the server, and else the refusal of whoever was named first.

    After a statement that failed, the server passes over those behind it, which fail for no reason of their own.
    """
    at_server = [(one.error, found) for one in failed if (found := _of_psycopg(one.error)) is not None]
    told = [error for error, found in at_server if found.sqlstate is not None] or [error for error, _ in at_server]
    return told[0] if told else min(failed, key=lambda one: one.place).error


def _of_psycopg(error: BaseException) -> psycopg.Error | None:
    return next((found for found in (error, error.__cause__) if isinstance(found, psycopg.Error)), None)


async def together(
    conn: AsyncConnection[Any], statements: Sequence[LiteralString], values: Mapping[str, Any]
) -> list[list[dict[str, Any]]]:
    """The rows of each statement, asked in one way to the server and back. All have the same `values`."""
    return list(await at_once(conn, *[_rows(conn, statement, values) for statement in statements]))


async def _rows(conn: AsyncConnection[Any], statement: LiteralString, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    async with conn.cursor(row_factory=dict_row) as cur:
        return await (await cur.execute(statement, values)).fetchall()
