"""Archival events: what the database_service asks for.

An entry of the stream holds either one field `event` with a CloudEvents 1.0 JSON object
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md), or those attributes flat, as fields of
their own. Unknown extra fields are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from archival_core.errors import InvalidEventError, PermanentError
from archival_core.model.chunks.chunk import Relation

#: W3C trace context, version 00 (https://www.w3.org/TR/trace-context/#traceparent-header)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
#: Of an entry's names and values, and how many of them.
MAX_EVENT_BYTES = 64 * 1024
MAX_EVENT_FIELDS = 1024


def _no_nul(text: str) -> str:
    # PostgreSQL has no text with one
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_no_nul)]


class ArchiveRequest(BaseModel):
    """`data` of an event: which chunks to archive. Either `chunk` or `older_than` is given."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    hypertable: Text
    chunk: Text | None = None
    #: RFC 3339 with an offset for time columns, an integer for integer time; every chunk that ends by then
    older_than: int | Text | None = None
    #: drop the chunk once it is archived; `None` leaves it to the policy
    remove: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.chunk is None) == (self.older_than is None):
            raise ValueError("give either chunk or older_than, and not both")
        for name in (self.hypertable, self.chunk):
            if name is not None:
                try:
                    Relation.parse(name)
                except PermanentError as error:
                    raise ValueError(str(error)) from None
        if isinstance(self.older_than, str):
            try:
                moment = datetime.fromisoformat(self.older_than)
            except ValueError:
                raise ValueError("older_than must be an RFC 3339 time or an integer") from None
            if moment.tzinfo is None:
                raise ValueError("older_than has no UTC offset; write for example 2026-01-01T00:00:00Z")
        return self

    @property
    def table(self) -> Relation:
        """The hypertable that is meant."""
        return Relation.parse(self.hypertable)

    @property
    def chunk_relation(self) -> Relation | None:
        """The one chunk that is meant, or `None` when `older_than` says which."""
        return Relation.parse(self.chunk) if self.chunk is not None else None


class ArchivalEvent(BaseModel):
    """A CloudEvent that asks for chunks to be archived."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Literal["archival.chunk.requested"]
    time: Text | None = None
    traceparent: str | None = None
    data: ArchiveRequest

    @property
    def trace_parent(self) -> str | None:
        """The trace that the event belongs to; a malformed one is dropped, as the specification asks."""
        return self.traceparent if self.traceparent and _TRACEPARENT.fullmatch(self.traceparent) else None

    @property
    def requested_by(self) -> str:
        """Source and id: what CloudEvents guarantees to be unique, so a redelivered event is recognised."""
        return f"{self.source}#{self.id}"


def parse_entry(fields: Mapping[bytes, bytes]) -> ArchivalEvent:
    """Read one entry of the stream.

    Raises `InvalidEventError` whose message names the field and the reason.
    """
    if sum(len(name) + len(value) for name, value in fields.items()) > MAX_EVENT_BYTES or len(fields) > MAX_EVENT_FIELDS:
        raise InvalidEventError(f"the event is larger than {MAX_EVENT_BYTES} bytes, or has more than {MAX_EVENT_FIELDS} fields")
    try:
        texts = {name.decode(): value.decode() for name, value in fields.items()}
        document = _load_json(texts["event"], "event") if "event" in texts else _from_flat(texts)
    except UnicodeDecodeError:
        raise InvalidEventError("the event is not UTF-8") from None
    try:
        return ArchivalEvent.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise InvalidEventError(
            "; ".join(
                f"{'.'.join(map(str, p['loc'])) or 'event'}: {p['msg'].removeprefix('Value error, ')}" for p in problems[:5]
            )
        ) from None


def _load_json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidEventError(f"{what}: not JSON ({str(error)[:80]})") from None


def _from_flat(texts: Mapping[str, str]) -> dict[str, Any]:
    """Attributes as fields of their own; `data` is JSON, or its members are fields too."""
    if "data" in texts:
        return {**texts, "data": _load_json(texts["data"], "data")}
    data: dict[str, Any] = {name: texts[name] for name in ("hypertable", "chunk", "older_than", "remove") if name in texts}
    if not data:
        raise InvalidEventError("neither a field 'event' nor the fields of one: hypertable with chunk or older_than")
    if re.fullmatch(r"[+-]?\d+", data.get("older_than", "")):
        data["older_than"] = int(data["older_than"])
    # a flat entry may leave out the envelope, which only says what this stream is for
    return {"specversion": "1.0", "type": "archival.chunk.requested", "source": "flat", **texts, "data": data}
