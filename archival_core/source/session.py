"""Settings for a stretch of a session with the source, which begins as `clients.postgres.settings` says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, LiteralString, overload
from weakref import WeakKeyDictionary, WeakSet

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row, tuple_row

from archival_core.clients.postgres import settings as postgres_settings

type _Question[Answer] = Coroutine[Any, Any, Answer]
type _Statement = sql.SQL | sql.Composed

#: Everything that changes how PostgreSQL prints a value or a name. It is set once more where a text is kept, because a
#: user's function may have set something in the session meanwhile.
TEXT_FORMS: Final[dict[str, str]] = {**postgres_settings.TEXT_FORMS, "client_encoding": "UTF8"}

#: The settings under which a chunk's rows are read.
READ_SETTINGS: Final[dict[str, str]] = TEXT_FORMS | {
    name: {**postgres_settings.STARTUP, **postgres_settings.AFTERWARDS}[name]
    for name in (
        "jit",
        "row_security",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "transaction_timeout",
        "timescaledb.enable_transparent_decompression",
        "timescaledb.enable_columnarscan",
    )
}

#: No workers beside a scan: `ARCHIVE_READERS` says how many processes read at a time, and rows keep their order.
ALONE: Final[dict[str, str]] = {"max_parallel_workers_per_gather": "0"}


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch that a connection is in."""

    #: what is pinned
    settings: dict[str, str]
    #: how many stretches it is inside of
    depth: int


@dataclass(frozen=True, slots=True)
class _Failed:
    """A question that raised an error in place of an answer."""

    #: among those asked at once
    place: int
    error: Exception


_STRETCHES: Final[WeakKeyDictionary[AsyncConnection[Any], _Stretch]] = WeakKeyDictionary()

#: Connections to which questions are put at once.
_BUSY: Final[WeakSet[AsyncConnection[Any]]] = WeakSet()
#: How deep questions lie in questions, at most.
_NESTED: Final = 4

_BEGIN: Final = sql.SQL("BEGIN")
_ROLLBACK: Final = sql.SQL("ROLLBACK")
_SAVEPOINT: Final = sql.SQL("SAVEPOINT {}")
_TO_SAVEPOINT: Final = sql.SQL("ROLLBACK TO {}")
_RELEASE: Final = sql.SQL("RELEASE {}")

_NOW: Final[LiteralString] = """
SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.unnest(%s::pg_catalog.text[]) AS s (name)
WHERE pg_catalog.current_setting(name, true) IS NOT NULL
"""
_AGAIN: Final[LiteralString] = """
SELECT pg_catalog.set_config(name, value, true)
FROM unnest(%s::pg_catalog.text[], %s::pg_catalog.text[]) AS s (name, value)
"""


def pin_statement(settings: Mapping[str, str]) -> sql.Composed:
    """One SELECT that makes `settings` hold until the transaction ends.

    Settings that the server does not know are left out.
    """
    rows = [sql.SQL("({}, {})").format(name, value) for name, value in settings.items()]
    return sql.SQL(
        "SELECT pg_catalog.set_config(name, value, true)::text AS pinned FROM (VALUES {}) AS s (name, value)"
        " WHERE pg_catalog.current_setting(name, true) IS NOT NULL"
    ).format(sql.SQL(", ").join(rows))


@asynccontextmanager
async def pinned(conn: AsyncConnection[Any], **more: str) -> AsyncIterator[None]:
    """A read-only stretch with pinned settings, inside the caller's transaction if there is one.

    The stretch always rolls back, so that neither the settings nor a failed statement reach the caller's transaction. Inside
    another stretch with the same settings it is a part of that one, and costs nothing.
    """
    settings, outer = TEXT_FORMS | more, _STRETCHES.get(conn)
    if outer is not None and settings.items() <= outer.settings.items():
        yield
        return
    begin, end = _bounds(conn, outer)
    try:
        # both at once, which `AsyncConnection.transaction` would not do; such a pair of statements cannot be prepared
        await conn.execute(sql.SQL("{}; {}").format(begin, pin_statement(settings)), prepare=False)
        _enter(conn, outer, settings)
        yield
    except BaseException:
        with suppress(psycopg.Error):  # a session that is lost has nothing to roll back
            await _end(conn, outer, end)
        raise
    await _end(conn, outer, end)


@asynccontextmanager
async def piped(conn: AsyncConnection[Any], **more: str) -> AsyncIterator[None]:
    """As `pinned`, in pipeline mode: the stretch begins on the way of its first question, and ends on the way of what was not
    fetched before. Questions that are asked `at_once` share their ways.

    In it nobody may begin a transaction or copy: libpq does not know before the end that the stretch's own has begun.
    Nobody may hold a lock that writers wait for, either: to the server the session is at work until the end, and
    `idle_in_transaction_session_timeout` does not end it when it is frozen.
    """
    settings, outer = TEXT_FORMS | more, _STRETCHES.get(conn)
    if outer is not None and settings.items() <= outer.settings.items():
        yield
        return
    begin, end = _bounds(conn, outer)
    is_outermost = not conn.pgconn.pipeline_status
    try:
        async with conn.pipeline():
            await conn.execute(begin, prepare=False)
            await conn.execute(pin_statement(settings), prepare=False)
            _enter(conn, outer, settings)
            yield
            for statement in end:
                await conn.execute(statement, prepare=False)
    except BaseException:
        if is_outermost and conn.pgconn.pipeline_status:
            # psycopg does not always leave a pipeline that was cancelled; to close the session ends its transaction
            _leave(conn, outer)
            await conn.close()
            raise
        with suppress(psycopg.Error):
            await _end(conn, outer, end)
        raise
    _leave(conn, outer)


@contextmanager
def counted_as_pinned(conn: AsyncConnection[Any], settings: Mapping[str, str]) -> Iterator[None]:
    """A stretch of the caller's transaction, which has pinned `settings` by itself: stretches inside it cost nothing."""
    outer = _STRETCHES.get(conn)
    _enter(conn, outer, dict(settings))
    try:
        yield
    finally:
        _leave(conn, outer)


def _bounds(conn: AsyncConnection[Any], outer: _Stretch | None) -> tuple[_Statement, Sequence[_Statement]]:
    """How a stretch begins and ends."""
    # inside a pipeline libpq does not know of the transaction of the stretch around this one
    if outer is None and conn.info.transaction_status is TransactionStatus.IDLE:
        return _BEGIN, (_ROLLBACK,)
    # a savepoint that could not be made must not be taken for that of a stretch around this one
    name = sql.Identifier(f"archival_stretch_{_depth(outer)}")
    return _SAVEPOINT.format(name), (_TO_SAVEPOINT.format(name), _RELEASE.format(name))


def _depth(outer: _Stretch | None) -> int:
    return 0 if outer is None else outer.depth + 1


def _enter(conn: AsyncConnection[Any], outer: _Stretch | None, settings: dict[str, str]) -> None:
    _STRETCHES[conn] = _Stretch(settings, _depth(outer))


def _leave(conn: AsyncConnection[Any], outer: _Stretch | None) -> None:
    if outer is None:
        _STRETCHES.pop(conn, None)
    else:
        _STRETCHES[conn] = outer


async def _end(conn: AsyncConnection[Any], outer: _Stretch | None, end: Sequence[_Statement]) -> None:
    _leave(conn, outer)
    # in a pipeline, that of a stretch around this one, statements go together in any case, and each by itself
    for statement in end if conn.pgconn.pipeline_status else (sql.SQL("; ").join(end),):
        await conn.execute(statement, prepare=False)


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
async def at_once(conn: AsyncConnection[Any], /, *questions: _Question[Any]) -> tuple[Any, ...]:
    """The answers to questions of which none needs another's. Inside `piped` their statements share the ways to the server;
    elsewhere one is asked after the other.

    Raises when all have ended: an error of the server, if there was one, and else what the first of `questions` raised.
    """
    if not conn.pgconn.pipeline_status:
        with ExitStack() as unasked:
            for question in questions:
                unasked.callback(question.close)
            return tuple([await question for question in questions])
    failed: list[_Failed] = []

    async def answer(place: int, question: _Question[Any]) -> Any:
        try:
            return await question
        except Exception as error:
            failed.append(_Failed(place, error))
            return None

    answers = [answer(place, question) for place, question in enumerate(questions)]
    answered = await (asyncio.gather(*answers) if conn in _BUSY else _in_turn(conn, answers))
    if failed:
        raise _told(failed)
    return tuple(answered)


def _told(failed: Sequence[_Failed]) -> Exception:
    """What has to be told: an error of the server, and else the refusal of whoever was named first.

    After a statement that failed, the server passes over those behind it, which fail for no reason of their own.
    """
    at_server = [(one.error, found) for one in failed if (found := _of_psycopg(one.error)) is not None]
    told = [error for error, found in at_server if found.sqlstate is not None] or [error for error, _ in at_server]
    return told[0] if told else min(failed, key=lambda one: one.place).error


def _of_psycopg(error: BaseException) -> psycopg.Error | None:
    return next((found for found in (error, error.__cause__) if isinstance(found, psycopg.Error)), None)


async def _in_turn(conn: AsyncConnection[Any], answers: Sequence[_Question[Any]]) -> list[Any]:
    answered = asyncio.gather(*answers)
    _BUSY.add(conn)
    try:
        async with conn.lock:
            # each waits for its turn before the first fetches its answer; those that ask several questions themselves are later
            for _ in range(_NESTED):
                await asyncio.sleep(0)
        return await answered
    except asyncio.CancelledError:
        # nobody may go on asking when the stretch has ended
        answered.cancel()
        with suppress(asyncio.CancelledError):
            await answered
        raise
    finally:
        _BUSY.discard(conn)


async def together(
    conn: AsyncConnection[Any], statements: Sequence[LiteralString], values: Mapping[str, Any]
) -> list[list[dict[str, Any]]]:
    """The rows of each statement, asked in one way to the server and back. All have the same `values`."""
    executed = [conn.cursor(row_factory=dict_row).execute(statement, values) for statement in statements]
    if conn.pgconn.pipeline_status:
        # all of them wait for their turn before another question's answer is fetched
        cursors = await asyncio.gather(*executed)
    else:
        async with conn.pipeline():
            cursors = [await one for one in executed]
    return [await cursor.fetchall() for cursor in cursors]


@asynccontextmanager
async def held(conn: AsyncConnection[Any], settings: Mapping[str, str]) -> AsyncIterator[None]:
    """A stretch of the caller's transaction under `settings`. At its end the settings are as before; after an error they
    stay until the transaction is rolled back.
    """
    async with conn.cursor(row_factory=tuple_row) as cur:
        await cur.execute(_NOW, ([*settings],))
        before: dict[str, str] = dict(await cur.fetchall())
    await conn.execute(pin_statement(settings))
    yield
    await conn.execute(_AGAIN, ([*before], [*before.values()]))
