"""The types that fields of requests share: names, times, ages, and who asks."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Header
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
)

from archival_core.api.services import Current
from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation

#: W3C trace context, version 00 (https://www.w3.org/TR/trace-context/#traceparent-header)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
#: https://www.rfc-editor.org/rfc/rfc3339#section-5.6, the seconds left out at will
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)

#: Whoever has a key.
_SOMEBODY: Final = "function key"

#: What every operation may answer, and what those with a body may besides.
ANY: Final = (401, 403, 422, 429, 500, 503)
WITH_BODY: Final = (400, 413, 415, *ANY)


class Body(BaseModel):
    """A request's body: what is not known is refused, so that a slip of the pen is not an archive of everything."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


def _no_nul(text: str) -> str:
    # PostgreSQL has no text with it
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


def _name(text: str) -> str:
    try:
        return str(Relation.parse(_no_nul(text)))
    except PermanentError as error:
        raise ValueError(str(error)) from None


def _bound(bound: int | str) -> int | str:
    if isinstance(bound, int):
        return bound
    try:
        moment = datetime.fromisoformat(_time(bound))
    except ValueError:
        raise ValueError("write an RFC 3339 time such as 2026-01-01T00:00:00Z, or an integer for integer time") from None
    if moment.tzinfo is None:
        raise ValueError("has no UTC offset; write for example 2026-01-01T00:00:00Z")
    return in_utc(moment).isoformat().replace("+00:00", "Z")


def bound_text(text: str) -> str:
    """A bound in an address, where an integer is digits; raises `ValueError`."""
    if re.fullmatch(r"-?\d{1,19}", text, re.ASCII):
        return text
    return str(_bound(text))


def _time[T](text: T) -> T:
    # a bare number would pass for seconds since 1970
    if not isinstance(text, str) or _TIME.fullmatch(text) is None:
        raise ValueError("write an RFC 3339 time such as 2026-01-01T00:00:00Z")
    return text


def _duration[T](text: T) -> T:
    # a number would pass for seconds, and 90:00 for days and hours
    if not isinstance(text, str) or not text.startswith("P"):
        raise ValueError("write an ISO 8601 duration such as P90D")
    return text


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC, since PostgreSQL knows fewer offsets than Python; raises `ValueError`."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside of the years 1 to 9999 in UTC") from None


#: A table by its name, in the service's own spelling.
TableName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=300),
    AfterValidator(_name),
    Field(description="`schema.name`; without a schema it is `public`", examples=["public.conditions"]),
]
#: Text that people wrote.
Sql = Annotated[str, StringConstraints(min_length=1, max_length=60_000), AfterValidator(_no_nul)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_no_nul)]
#: RFC 3339 in UTC afterwards, or an integer of 64 bits.
Bound = Annotated[
    Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Annotated[str, StringConstraints(min_length=1, max_length=64)],
    AfterValidator(_bound),
]
#: A time with an offset, in UTC afterwards.
Moment = Annotated[AwareDatetime, BeforeValidator(_time), AfterValidator(in_utc)]
#: An age; a month counts 30 days and a year 365.
Age = Annotated[
    timedelta,
    BeforeValidator(_duration),
    Field(
        description="ISO 8601, `P90D`: the age of the end of a chunk's range",
        json_schema_extra={"format": "duration", "pattern": "^P"},
    ),
]
Limit = Annotated[int, Field(ge=1, le=500, description="entries of a page, at most")]


async def _caller(
    services: Current,
    principal: Annotated[str, Header(alias="x-ms-client-principal-name", include_in_schema=False)] = "",
) -> str:
    """Who asks, for the record: the Microsoft Entra principal that the platform has signed in, or somebody with a key.

    Where the platform signs nobody in, it leaves this header to whoever sends it, and it says nothing.
    """
    if not services.signs_in:
        return _SOMEBODY
    return "".join(character for character in principal if character.isprintable()).strip()[:200] or _SOMEBODY


async def _trace(traceparent: Annotated[str, Header(include_in_schema=False)] = "") -> str | None:
    """The caller's trace; a malformed one is dropped, as the specification asks."""
    return traceparent if _TRACEPARENT.fullmatch(traceparent) else None


Caller = Annotated[str, Depends(_caller)]
Trace = Annotated[str | None, Depends(_trace)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="The same key and body are answered as the first time for 7 days, and nothing is done twice.",
        examples=["7d1c3f1e-2b0a-4a3e-9a43-7f3d8c1f5b11"],
    ),
]


def fingerprint(operation: str, body: BaseModel) -> str:
    """What makes a request the same as another."""
    return hashlib.sha256(f"{operation}\n{body.model_dump_json()}".encode()).hexdigest()
