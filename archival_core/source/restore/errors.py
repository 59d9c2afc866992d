"""The source database's errors while rows go back into it: what refuses the rows, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as postgres

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.source.translate import source_errors


@contextmanager
def restore_errors(target: Relation, failing: str = "target-refuses") -> Iterator[None]:
    """Translate psycopg's errors inside the block. Errors that `target` itself raises get the code `failing`."""
    with source_errors():
        try:
            yield
        except postgres.InsufficientPrivilege as error:
            raise PermanentError(
                f"the source database refuses: {error.diag.message_primary}; to restore, the service's user needs CREATE on"
                f" the database once, SELECT and INSERT on {target} (and BYPASSRLS where it has row-level security), and to"
                " own it where a partition of it is gone",
                code="source-permission-denied",
            ) from error
        except (
            postgres.IntegrityError,
            postgres.DataError,
            postgres.ProgrammingError,
            postgres.NotSupportedError,
            postgres.RaiseException,
        ) as error:
            if error.sqlstate is None:
                raise  # a wrong use of psycopg is a defect of ours
            raise PermanentError(
                f"{target} does not take the archive: {error.sqlstate} {_said(error)};"
                f" {_advice(error)}, or restore into a table of its own",
                code=failing,
            ) from error


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).strip()


def _advice(error: psycopg.Error) -> str:
    if isinstance(error, postgres.UndefinedFunction | postgres.UndefinedTable | postgres.UndefinedObject):
        return (
            "if it is there, a function names it without its schema, which the service's sessions have not on the search path:"
            " ALTER FUNCTION … SET search_path"
        )
    return "change that"
