"""PostgreSQL connections, with a password or with Microsoft Entra, and their errors translated once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from archival_core import telemetry
from archival_core.errors import PermanentError, TransientError

Connection = psycopg.AsyncConnection[DictRow]

#: How every connection of the service is opened.
OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": 10,
    "row_factory": dict_row,
    "application_name": "archival_service",
    # the connection that holds a snapshot says nothing for as long as others read, and Azure drops a silent one after 4 minutes
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 6,
}

ENTRA_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"


#: A server on this machine trusts, or asks libpq's own password file; Microsoft Entra is for servers elsewhere.
_LOCAL_HOSTS = frozenset({None, "localhost", "127.0.0.1", "::1"})


class Database:
    """One database: opens connections to it. A URL without a password asks `token` for one, each time it connects.

    An empty password, `user:@host`, asks for none and uses none.
    """

    def __init__(self, url: str, token: Callable[[], str] | None = None) -> None:
        self._url = url
        self._token = token
        self._dependency = telemetry.Dependency("source", self.described)

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
        """The URL with a password that is valid now; for drivers that connect by themselves. Never log it."""
        parts = urlsplit(self._url)
        if self._token is None or parts.password is not None or parts.hostname in _LOCAL_HOSTS:
            return self._url
        token = await asyncio.to_thread(self._token)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{quote(token, safe='')}@{host}"))

    async def ping(self) -> None:
        """Raises `TransientError` when the server does not answer."""
        async with self.connect() as connection:
            with translated("the database"):
                await connection.execute("select 1")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A connection in autocommit mode, closed at the end."""
        with self._dependency.call("connect"), translated("the database"):
            connection = await Connection.connect(await self.url(), **OPTIONS)
        async with connection:
            yield connection


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns psycopg's errors into ours; `what` names the server for the reader. Messages of the server are kept in short."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise PermanentError(
            f"{what} refuses: {_first_line(error)}; grant it to the service's role", code="not-permitted"
        ) from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise PermanentError(f"{what}: {_first_line(error)}", code="undefined") from error
    except psycopg.Error as error:
        raise TransientError(f"{what}: {_first_line(error)}", code="database") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
