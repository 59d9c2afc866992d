"""Cursors: opaque to callers, and checked when they come back."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from archival_core.api.management.requests.fields import in_utc
from archival_core.errors import PermanentError
from archival_core.model.insight.chunk_state import ChunkCursor
from archival_core.model.jobs.bulk import MOST, BulkJobsCursor, BulkLettersCursor, EntryId
from archival_core.model.jobs.job_record import JobPosition, JobRecord


def of_job(job: JobRecord) -> str:
    """Of the page that follows `job`."""
    return _write(["j1", job.requested_at.isoformat(), str(job.job_id)])


def read_job(text: str) -> JobPosition:
    """Raises `PermanentError` (`invalid-cursor`)."""
    [requested_at, job_id] = _read(text, "j1", 2)
    return _place(requested_at, job_id)


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
    if not plain or not -1 <= cursor.revision < 2**31:
        raise _invalid()
    return cursor


def of_jobs_place(place: BulkJobsCursor) -> str:
    """Of the call that goes on there."""
    after = place.after or JobPosition(datetime.min.replace(tzinfo=UTC), UUID(int=0))
    return _write(["bj1", place.as_of.isoformat(), after.requested_at.isoformat(), str(after.job_id)])


def read_jobs_place(text: str) -> BulkJobsCursor:
    """Raises `PermanentError` (`invalid-cursor`)."""
    [as_of, requested_at, job_id] = _read(text, "bj1", 3)
    return BulkJobsCursor(_moment(as_of), _place(requested_at, job_id))


def of_letters_place(place: BulkLettersCursor) -> str:
    """Of the call that goes on there."""
    return _write(["bl1", str(place.until), str(place.after), "" if place.left is None else str(place.left)])


def read_letters_place(text: str) -> BulkLettersCursor:
    """Raises `PermanentError` (`invalid-cursor`)."""
    [until, after, left] = _read(text, "bl1", 3)
    try:
        place = BulkLettersCursor(EntryId.parse(until), EntryId.parse(after), int(left) if left else None)
    except ValueError:
        raise _invalid() from None
    if not all(0 <= number <= MOST for number in (*place.until, *place.after, place.left or 0)):
        raise _invalid()
    return place


def _place(requested_at: str, job_id: str) -> JobPosition:
    try:
        return JobPosition(_moment(requested_at), UUID(job_id))
    except ValueError:
        raise _invalid() from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise _invalid()
        return in_utc(moment)
    except ValueError:
        raise _invalid() from None


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
