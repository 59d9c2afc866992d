"""Settings for a stretch of a session with the source, which begins as `clients.postgres.settings` says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row, tuple_row

from archival_core.clients.postgres import settings as postgres_settings

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
_BACK_TO_SAVEPOINT: Final = sql.SQL("ROLLBACK TO {0}; RELEASE {0}")

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
    is_idle = conn.info.transaction_status is TransactionStatus.IDLE
    depth = 0 if outer is None else outer.depth + 1
    # a savepoint that could not be made must not be taken for that of a stretch around this one
    name = sql.Identifier(f"archival_stretch_{depth}")
    begin, end = (_BEGIN, _ROLLBACK) if is_idle else (_SAVEPOINT.format(name), _BACK_TO_SAVEPOINT.format(name))
    try:
        # both at once, which `AsyncConnection.transaction` would not do; such a pair of statements cannot be prepared
        await conn.execute(sql.SQL("{}; {}").format(begin, pin_statement(settings)), prepare=False)
        _STRETCHES[conn] = _Stretch(settings, depth)
        yield
    except BaseException:
        with suppress(psycopg.Error):  # a session that is lost has nothing to roll back
            await _end(conn, outer, end)
        raise
    await _end(conn, outer, end)


async def _end(conn: AsyncConnection[Any], outer: _Stretch | None, end: sql.SQL | sql.Composed) -> None:
    if outer is None:
        _STRETCHES.pop(conn, None)
    else:
        _STRETCHES[conn] = outer
    await conn.execute(end, prepare=False)


async def together(
    conn: AsyncConnection[Any], statements: Sequence[LiteralString], values: Mapping[str, Any]
) -> list[list[dict[str, Any]]]:
    """The rows of each statement, asked in one way to the server and back. All have the same `values`."""
    async with conn.pipeline():
        cursors = [await conn.cursor(row_factory=dict_row).execute(statement, values) for statement in statements]
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
