"""PostgreSQL connections, with a password or with Microsoft Entra, and their errors translated once."""

from __future__ import annotations

import asyncio
import math
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, LiteralString
from urllib.parse import quote, urlsplit, urlunsplit
from weakref import WeakKeyDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from archival_core import telemetry
from archival_core.clients import network
from archival_core.clients.postgres import pooler as postgres_pooler
from archival_core.clients.postgres import prose as postgres_prose
from archival_core.clients.postgres import settings as postgres_settings
from archival_core.clients.postgres import silence as postgres_silence
from archival_core.clients.postgres.troubles import Blame, sqlstate_of, trouble
from archival_core.errors import ArchivalError, AwayError, PermanentError, PostponedError, TransientError

Connection = psycopg.AsyncConnection[DictRow]

#: What psycopg, rather than libpq, is told of every connection.
OPTIONS: Final[dict[str, Any]] = {"autocommit": True, "row_factory": dict_row}

ENTRA_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"

#: The ledger's tables are the service's own: without the tables, or the columns in them, no job can be recorded.
_UNDEFINED: Final = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)

#: A pooler's mode can be changed at any time: put right, and put wrong.
_BELIEVED_SECONDS: Final = 60.0
#: A server on this machine trusts, or asks libpq's own password file; Microsoft Entra is for servers elsewhere.
_LOCAL_HOSTS = frozenset({None, "localhost", "127.0.0.1", "::1"})
_TAKES_WRITES: Final[LiteralString] = """
SELECT NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.current_setting('transaction_read_only') = 'off' AS takes_writes
"""
#: A server that is there answers sooner to a statement that does nothing.
_ANSWER_SECONDS: Final = 3.0

#: The server's process of each connection's session.
_PROCESSES: Final[WeakKeyDictionary[Connection, int]] = WeakKeyDictionary()


class Database:
    """One database: opens connections to it. A URL without a password asks `token` for one, each time it connects.

    An empty password, `user:@host`, asks for none and uses none.
    """

    def __init__(self, url: str, token: Callable[[], str] | None = None, *, dependency: str = "source") -> None:
        self._url = url
        #: what it is to the service: `source` or `ledger`
        self.dependency = dependency
        self._token = token
        self._dependency = telemetry.Dependency("source", self.described)
        #: of a pooler in between: whether each connection has a session of its own there, `None` while that is not known; and
        #: until when that is believed, by the clock of `time.monotonic`
        self._keeps_session: bool | None = None
        self._believed_until = -math.inf

    @property
    def described(self) -> dict[str, str]:
        """Which server and database it is, for telemetry."""
        parts = urlsplit(self._url)
        return {
            "db.system.name": "postgresql",
            "db.namespace": parts.path.strip("/"),
            "server.address": parts.hostname or "localhost",
        }

    @property
    def address(self) -> tuple[str, str]:
        """Host with port, and database, in one spelling: what tells this server from a copy of it."""
        named = conninfo_to_dict(self._url)
        host = f"{named.get('host') or 'localhost'}:{named.get('port') or 5432}".lower()
        return host, str(named.get("dbname") or named.get("user") or "")

    async def url(self) -> str:
        """The URL with a password that is valid now. Never log it."""
        return await asyncio.to_thread(self.url_now) if self._wants_token else self._url

    def url_now(self) -> str:
        """The same for a thread, which it blocks. A driver that connects by itself asks with each connection: a token is over
        after an hour, or sooner, and a run takes longer."""
        if self._token is None or not self._wants_token:
            return self._url
        parts, token = urlsplit(self._url), self._token()
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{quote(token, safe='')}@{host}"))

    @property
    def _wants_token(self) -> bool:
        parts = urlsplit(self._url)
        return self._token is not None and parts.password is None and parts.hostname not in _LOCAL_HOSTS

    async def conninfo(self) -> str:
        """What libpq needs to connect now, as every connection does. Never log it."""
        return postgres_settings.conninfo(await self.url())

    def _conninfo_now(self) -> str:
        return postgres_settings.conninfo(self.url_now())

    async def prove_writable(self) -> None:
        """Raises `AwayError` when the server does not answer, or says that it takes no writes. Nothing is written."""
        async with self.connect() as connection:
            with translated("the database", self.dependency), cut_after(connection, _ANSWER_SECONDS):
                row = await (await connection.execute(_TAKES_WRITES)).fetchone()
        if row is None or not row["takes_writes"]:
            raise AwayError(
                f"the database at port {self._port or 5432} is read-only", code="database-read-only", dependency=self.dependency
            )

    @asynccontextmanager
    async def connect(
        self, settings: Mapping[LiteralString, LiteralString] = postgres_settings.NOTHING_MORE
    ) -> AsyncIterator[Connection]:
        """A connection in autocommit mode, closed at the end, whose session begins with `settings`."""
        with self._dependency.call("connect"):
            connection = await self.opened(settings)
        async with connection, self.watched(connection):
            yield connection

    def watched(self, connection: Connection) -> AbstractAsyncContextManager[None]:
        """End `connection` when its server hangs; what waits for the server then fails."""
        return postgres_silence.ended_with_its_server(connection, self._conninfo_now)

    async def opened(self, settings: Mapping[LiteralString, LiteralString] = postgres_settings.NOTHING_MORE) -> Connection:
        """A connection in autocommit mode, for the caller to close; with a token that is valid now."""
        with translated("the database", self.dependency, connecting=True):
            return await self._connect(settings)

    async def begin(
        self,
        connection: Connection,
        settings: Mapping[LiteralString, LiteralString] = postgres_settings.NOTHING_MORE,
    ) -> None:
        """Begin the session of a new connection in autocommit mode, as `postgres_settings` says.

        Raises `AwayError`: `database-pooler`, `database-restoring`, `database-setting`.
        """
        first = postgres_settings.first_statement(settings)
        with cut_after(connection, network.CONNECT_SECONDS):
            try:
                session = await (await connection.execute(first, prepare=False)).fetchone()
            except psycopg.errors.InsufficientPrivilege as error:
                raise AwayError(
                    f"the role of the service has a setting that only a superuser may take back: {_first_line(error)}; ALTER"
                    " ROLE … RESET, or ALTER DATABASE … RESET, takes it back",
                    code="database-setting",
                    dependency=self.dependency,
                ) from error
        assert session is not None
        if session["is_restoring"] or session["lacks_library"]:
            said = "timescaledb.restoring is on" if session["is_restoring"] else "the library of TimescaleDB is not loaded"
            raise AwayError(
                f"{said}: compressed chunks would look empty. SELECT timescaledb_post_restore() ends a restore; the library"
                " belongs into shared_preload_libraries",
                code="database-restoring",
                dependency=self.dependency,
            )
        if session["backend_pid"] != connection.info.backend_pid:
            await self._look_behind(connection, session["backend_pid"])
        _PROCESSES[connection] = session["backend_pid"]
        postgres_prose.adapt(connection)

    async def _connect(self, settings: Mapping[LiteralString, LiteralString]) -> Connection:
        try:
            connection = await Connection.connect(await self.conninfo(), **OPTIONS)
        except BaseException as error:
            # A connection that is half made lives in the driver's frames for as long as anybody keeps the error. It takes a
            # place of the server's, and holds up whoever drops or copies a database there.
            traceback.clear_frames(error.__traceback__)
            if isinstance(error, psycopg.OperationalError) and postgres_pooler.refuses_options(error):
                raise postgres_pooler.refusal(self._port, self.dependency) from error
            raise
        try:
            await self.begin(connection, settings)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _look_behind(self, connection: Connection, backend_pid: int) -> None:
        """The server has another process for the connection than whoever answered at its address: a pooler."""
        if self._keeps_session is None or time.monotonic() > self._believed_until:
            conninfo = await self.conninfo()
            self._believed_until = time.monotonic() + _BELIEVED_SECONDS
            self._keeps_session = await postgres_pooler.keeps_session(connection, backend_pid, conninfo)
        if not self._keeps_session:
            raise postgres_pooler.refusal(self._port, self.dependency)

    @property
    def _port(self) -> str | None:
        return str(conninfo_to_dict(self._url).get("port", "")) or None


def process_of(connection: Connection) -> int:
    """The server's process of the session of `connection`. Where a pooler is in between, libpq has met another process."""
    return _PROCESSES[connection]


async def end_session(connection: Connection) -> None:
    """Leave nothing in a session of what was done in it, so that another one may `begin` on its connection.

    What the server has read of its catalogs stays with the connection. Raises psycopg's errors, as inside a transaction.
    """
    with cut_after(connection, _ANSWER_SECONDS):
        await connection.execute("DISCARD ALL")
        # which some minor releases take from a role that the connection began with
        await connection.execute("RESET ROLE")


async def check(connection: Connection) -> None:
    """Raises psycopg's `OperationalError` if the server at the other end does not answer soon, and closes the connection."""
    with cut_after(connection, _ANSWER_SECONDS):
        await connection.execute("")


@contextmanager
def cut_after(connection: Connection, seconds: float) -> Iterator[None]:
    """End the connection if the block takes longer than `seconds`; what waits for the server then fails at once.

    A time-out of asyncio alone would cancel the statement first, and wait for a server that is silent to say so.
    """
    timer = asyncio.get_running_loop().call_later(seconds, postgres_silence.cut, connection)
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def translated(what: str, dependency: str = "ledger", *, connecting: bool = False) -> Iterator[None]:
    """Turns psycopg's errors into ours; `what` names the server for the reader. Messages of the server are kept in short.

    Whoever is just `connecting` asks for nothing yet, so that the server alone is to blame.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _translation(error, what, dependency, connecting=connecting) from error


def _translation(error: psycopg.Error, what: str, dependency: str, *, connecting: bool) -> ArchivalError:
    said = f"{what}: {_first_line(error)}"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        said = f"{what} refuses: {_first_line(error)}; grant the right to the service's role"
        return _lacking(said, "not-permitted", dependency, connecting=connecting)
    if isinstance(error, _UNDEFINED):
        return _lacking(said, "undefined", dependency, connecting=connecting)
    if isinstance(error, psycopg.errors.UntranslatableCharacter):
        return PermanentError(
            f"{what} is in an encoding that lacks a character: {_first_line(error)}; a database in UTF8 has them all",
            code="not-in-encoding",
        )
    return _later(error, said, dependency, connecting=connecting)


def _lacking(said: str, code: str, dependency: str, *, connecting: bool) -> ArchivalError:
    """A right or a table that is lacking: in the ledger no job is to blame for that, and all jobs wait."""
    if dependency == "ledger" or connecting:
        return AwayError(said, code=code, dependency=dependency)
    return PermanentError(said, code=code)


def _later(error: psycopg.Error, said: str, dependency: str, *, connecting: bool) -> TransientError:
    """What passes, by itself or when somebody has looked after the server: its code says which trouble the server is in."""
    # libpq gives no SQLSTATE where there is no connection, or none any more
    lost = error.sqlstate is None and isinstance(error, psycopg.OperationalError)
    found = trouble(error.sqlstate or sqlstate_of(said), said) if error.sqlstate or lost else None
    code = "database-refused" if found is None else found.database
    if found is not None and found.advice:
        said = f"{said}; {found.advice}"
    if connecting or (found is not None and found.blame in (Blame.SERVER, Blame.BREAK)):
        return AwayError(said, code=code, dependency=dependency)
    if found is not None and found.blame is Blame.OTHERS:
        return PostponedError(said, code=code)
    return TransientError(said, code=code)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
