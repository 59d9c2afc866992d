"""What the service and a process of questions say to each other: frames over pipes.

A frame is a head in JSON and a body of bytes. The service's own bodies are pickled; nothing that a process of questions sends
is ever unpickled.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO, Final

from archival_core import errors
from archival_core.errors import ArchivalError, AwayError, PermanentError, TransientError

_SIZES: Final = struct.Struct(">II")
#: A body that is larger comes in several frames.
MOST_BODY: Final = 16 * 1024 * 1024
_MOST_HEAD: Final = 64 * 1024 * 1024


def write(stream: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    """Send a frame."""
    told = json.dumps(head).encode()
    stream.write(_SIZES.pack(len(told), len(body)) + told + body)
    stream.flush()


def read(stream: BinaryIO, most: int) -> tuple[dict[str, Any], bytes] | None:
    """The next frame, whose body has `most` bytes at most; `None` if the other side is gone."""
    sizes = stream.read(_SIZES.size)
    if len(sizes) < _SIZES.size:
        return None
    head_size, body_size = _SIZES.unpack(sizes)
    if head_size > _MOST_HEAD or body_size > most:
        raise ValueError(f"a frame of {head_size} and {body_size} bytes")
    head, body = stream.read(head_size), stream.read(body_size)
    if len(head) < head_size or len(body) < body_size:
        return None
    return json.loads(head), body


def told(error: ArchivalError) -> dict[str, Any]:
    """An error, as a frame has it."""
    return {
        "class": type(error).__name__,
        "message": str(error),
        "code": error.code,
        "dependency": getattr(error, "dependency", None),
    }


def error_of(head: dict[str, Any]) -> ArchivalError:
    """The error that the other side met."""
    kind = getattr(errors, str(head["class"]), None)
    message, code = str(head["message"]), str(head["code"])
    if isinstance(kind, type) and issubclass(kind, AwayError):
        return kind(message, code=code, dependency=str(head["dependency"]))
    if kind in (errors.PermanentError, errors.TransientError, errors.PostponedError, errors.GaveWayError):
        found: ArchivalError = kind(message, code=code)
        return found
    base = PermanentError if isinstance(kind, type) and issubclass(kind, PermanentError) else TransientError
    return base(message, code=code)
