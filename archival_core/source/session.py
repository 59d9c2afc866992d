"""Settings for a stretch of a session with the source, which begins as `clients.postgres.settings` says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, LiteralString
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from archival_core.clients.postgres import settings as postgres_settings

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


_STRETCHES: Final[WeakKeyDictionary[AsyncConnection[Any], _Stretch]] = WeakKeyDictionary()

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


def pin_statement(settings: Mapping[str, str]) -> sql.SQL:
    """One SELECT that makes `settings` hold until the transaction ends.

    Settings that the server does not know are left out.
    """
    return _pinning(tuple(settings.items()))


@lru_cache
def _pinning(settings: tuple[tuple[str, str], ...]) -> sql.SQL:
    # There are a handful of such stretches, and each is begun several times for a chunk: to quote twenty values takes as long
    # as to ask a question.
    rows = [sql.SQL("({}, {})").format(name, value) for name, value in settings]
    statement = sql.SQL(
        "SELECT pg_catalog.set_config(name, value, true)::text AS pinned FROM (VALUES {}) AS s (name, value)"
        " WHERE pg_catalog.current_setting(name, true) IS NOT NULL"
    ).format(sql.SQL(", ").join(rows))
    return sql.SQL(statement.as_string())


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


async def settings_now(conn: AsyncConnection[Any], names: Iterable[str]) -> dict[str, str]:
    """The settings of these names as they are now, without those that the server does not know."""
    async with conn.cursor(row_factory=tuple_row) as cur:
        await cur.execute(_NOW, ([*names],))
        return dict(await cur.fetchall())


async def set_again(conn: AsyncConnection[Any], before: Mapping[str, str]) -> None:
    """Let the settings be as `settings_now` has found them, until the caller's transaction ends."""
    await conn.execute(_AGAIN, ([*before], [*before.values()]))
