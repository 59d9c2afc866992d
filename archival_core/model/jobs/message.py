"""The queue message: it names a job and its trace, the ledger holds the rest."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from uuid import UUID

from archival_core.errors import PermanentError


@dataclass(frozen=True, slots=True)
class JobMessage:
    """One message, one chunk. As text it is JSON `{"v":1,"job_id":…,"traceparent":…}`, and base64 of that on its way."""

    job_id: UUID
    traceparent: str | None = None

    def to_json(self) -> str:
        """The message's body, before base64."""
        return json.dumps({"v": 1, "job_id": str(self.job_id), "traceparent": self.traceparent}, separators=(",", ":"))

    @classmethod
    def from_text(cls, raw: str) -> JobMessage:
        """Read a message as it lies in the queue; raises `PermanentError` (`invalid-message`)."""
        return cls.from_json(body(raw))

    @classmethod
    def from_json(cls, text: str) -> JobMessage:
        """Read a body; raises `PermanentError` (`invalid-message`) for what this version does not understand."""
        try:
            document = json.loads(text)
            if document["v"] != 1:
                raise ValueError(f"version {document['v']!r} is not known")
            traceparent = document.get("traceparent")
            return cls(UUID(document["job_id"]), traceparent if isinstance(traceparent, str) else None)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise PermanentError(f"not a job message: {error!r}", code="invalid-message") from None


def body(raw: str) -> str:
    """What a message says, base64 taken off; a text that is no base64 is the body itself.

    The service takes off base64, and not the functions host, which puts away what it cannot decode before anybody sees it.
    """
    try:
        return base64.b64decode(raw, validate=True).decode()
    except ValueError:
        return raw
