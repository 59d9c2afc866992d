"""The source database's errors, translated once into errors that say what happens next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from archival_core.errors import (
    ArchivalError,
    AwayError,
    LostConnectionError,
    PermanentError,
    PostponedError,
    TransientError,
)

#: SQLSTATE, or its class, of what may work later, with our code (PostgreSQL documentation, appendix A).
_LATER = {
    "08": "source-unreachable",  # connection exception
    "25006": "source-read-only",  # a standby, or a server whose disk is nearly full
    "25P03": "source-unreachable",  # idle_in_transaction_session_timeout
    "25P04": "source-unreachable",  # transaction_timeout
    "28": "source-unreachable",  # a token that has just expired is renewed for the next attempt
    "3D000": "source-unreachable",  # the database is gone
    "40": "source-busy",  # serialization failure, deadlock
    "42703": "source-changed",  # a column went away between looking and reading
    "53": "source-busy",  # too many connections, out of memory, disk full
    "55006": "source-busy",  # object in use
    "55P03": "source-locked",  # lock_timeout
    "57": "source-unreachable",  # shutdown, crash, cancelled statement
    "58": "source-unreachable",  # system error
    "XX": "source-failed",  # internal error
}
#: Of these: what the server does to everybody, so that no chunk is to blame.
_AWAY = ("08", "25006", "25P04", "28", "3D000", "53", "57P")
#: What others hold for a while.
_HELD = ("40", "55006", "55P03")
#: A limit that one statement has met alone, and a server that went down under its connections.
_OWN, _LOST = "53400", "57P02"


def translate(sqlstate: str | None, message: str) -> ArchivalError:
    """The error for a SQLSTATE; without one the connection itself failed, which is transient.

    `message` goes into the result: it must not hold a secret.
    """
    if sqlstate is None:
        return LostConnectionError(
            f"the source database cannot be reached: {message}", code="source-unreachable", dependency="source"
        )
    if sqlstate in ("42P01", "3F000"):
        return PermanentError(f"a table is gone from the source database: {message}", code="unknown-chunk")
    if sqlstate == "42501":
        return PermanentError(
            f"the source database refuses: {message}; GRANT USAGE on the schema and SELECT on the table (and BYPASSRLS "
            "where it has row-level security) to the service's user",
            code="source-permission-denied",
        )
    code = _LATER.get(sqlstate) or _LATER.get(sqlstate[:2])
    if code is not None:
        return _later(sqlstate, f"the source database answers {sqlstate}: {message}", code)
    return PermanentError(f"the source database answers {sqlstate}: {message}", code="source-refused")


def _later(sqlstate: str, message: str, code: str) -> TransientError:
    if sqlstate.startswith(_AWAY) and sqlstate != _OWN:
        kind = LostConnectionError if sqlstate == _LOST else AwayError
        return kind(message, code=code, dependency="source")
    return PostponedError(message, code=code) if sqlstate.startswith(_HELD) else TransientError(message, code=code)


@contextmanager
def source_errors() -> Iterator[None]:
    """Translate psycopg's errors inside the block into `TransientError` or `PermanentError`."""
    try:
        yield
    except psycopg.Error as error:
        lost = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
        if error.sqlstate is None and not lost:
            raise  # a wrong use of psycopg is a defect of ours
        # libpq's connection errors name host and user, never the password.
        raise translate(error.sqlstate, error.diag.message_primary or str(error).strip()) from error
