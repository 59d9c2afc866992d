"""Cursors: opaque to callers, and checked when they come back."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from archival_core.api.management.fields import in_utc
from archival_core.errors import PermanentError
from archival_core.model.chunk_state import ChunkCursor
from archival_core.model.job_record import JobRecord, Place


def of_job(job: JobRecord) -> str:
    """Of the page that follows `job`."""
    return _write(["j1", job.requested_at.isoformat(), str(job.job_id)])


def read_job(text: str) -> Place:
    """Raises `PermanentError` (`invalid-cursor`)."""
    [requested_at, job_id] = _read(text, "j1", 2)
    try:
        moment = datetime.fromisoformat(requested_at)
        if moment.tzinfo is None:
            raise _invalid()
        return Place(in_utc(moment), UUID(job_id))
    except ValueError:
        raise _invalid() from None


def of_chunk(cursor: ChunkCursor) -> str:
    """Of the page that follows it."""
    return _write(["c1", str(cursor.position), cursor.chunk, str(cursor.revision)])


def read_chunk(text: str) -> ChunkCursor:
    """Raises `PermanentError` (`invalid-cursor`)."""
    [position, chunk, revision] = _read(text, "c1", 3)
    try:
        cursor = ChunkCursor(Decimal(position), chunk, int(revision))
    except (ValueError, InvalidOperation):
        raise _invalid() from None
    plain = cursor.position.is_infinite() or (cursor.position.is_finite() and -20 < cursor.position.adjusted() < 20)
    if not plain or not 0 <= cursor.revision < 2**31:
        raise _invalid()
    return cursor


def _write(parts: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def _read(text: str, kind: str, values: int) -> list[str]:
    try:
        parts = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _invalid() from None
    if not isinstance(parts, list) or len(parts) != values + 1 or parts[0] != kind:
        raise _invalid()
    if not all(isinstance(part, str) and "\0" not in part and part.isprintable() for part in parts):
        raise _invalid()
    return parts[1:]


def _invalid() -> PermanentError:
    return PermanentError("this is no cursor of this list; take `next` of its last page", code="invalid-cursor")
