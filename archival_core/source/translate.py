"""The source database's errors, translated once into errors that say what happens next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from archival_core.clients.postgres.troubles import Blame, Trouble, sqlstate_of, trouble
from archival_core.errors import (
    ArchivalError,
    AwayError,
    LostConnectionError,
    PermanentError,
    PostponedError,
    TransientError,
)


def translate(sqlstate: str | None, message: str) -> ArchivalError:
    """The error for a SQLSTATE, or for the SQLSTATE that the words of `message` stand for where none came.

    `message` goes into the error, so it must not hold a secret.
    """
    sqlstate = sqlstate or sqlstate_of(message)
    if sqlstate is None:
        return LostConnectionError(
            f"the source database cannot be reached: {message}", code="source-unreachable", dependency="source"
        )
    answer = f"the source database answers {sqlstate}: {message}"
    if sqlstate in ("42P01", "3F000"):
        return PermanentError(f"a table is gone from the source database: {message}", code="unknown-chunk")
    if sqlstate == "42501":
        return PermanentError(
            f"the source database refuses: {message}; GRANT USAGE on the schema and SELECT on the table (and BYPASSRLS "
            "where it has row-level security) to the service's user",
            code="source-permission-denied",
        )
    if sqlstate == "42703":  # a column went away between looking and reading
        return TransientError(answer, code="source-changed")
    found = trouble(sqlstate, message)
    if found is None:
        return PermanentError(answer, code="source-refused")
    return _of_trouble(found, f"{answer}; {found.advice}" if found.advice else answer)


def _of_trouble(found: Trouble, message: str) -> ArchivalError:
    match found.blame:
        case Blame.SERVER:
            return AwayError(message, code=found.source, dependency="source")
        case Blame.BREAK:
            return LostConnectionError(message, code=found.source, dependency="source")
        case Blame.OTHERS:
            return PostponedError(message, code=found.source)
        case Blame.DAMAGE:
            # other chunks are whole, and reading this chunk again does not mend it
            return PermanentError(message, code=found.source)
        case Blame.NOBODY:
            return TransientError(message, code=found.source)


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
