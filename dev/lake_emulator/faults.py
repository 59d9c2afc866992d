"""Faults that tests switch on: what a network and a storage service do on a bad day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aiohttp import web

FaultKind = Literal[
    "status",  # refused with `status` and `code`; nothing happens
    "status_after",  # it happens, and is answered with `status` and `code`
    "drop_request",  # the connection closes; nothing happens
    "drop_response",  # it happens, and the connection closes without an answer
    "delay",  # answered normally after `seconds`
    "delay_after",  # it happens, and is answered `seconds` later
    "torn",  # an append keeps the first half of its data, and the connection closes; of an answer only the first half comes
    "flip_bit",  # one bit of the body changes on the way, in or out: a Content-MD5 notices
    "bit_rot",  # one bit changes in the store: no Content-MD5 notices
]


@dataclass(slots=True)
class Fault:
    """One fault for the next `times` requests that match.

    `contains` is looked for, without regard to case, in the raw path with its query and in the headers as `name: value`
    lines: `action=append`, `x-ms-rename-source`. `method` may be `*`.
    """

    method: str
    contains: str = ""
    kind: FaultKind = "status"
    status: int = 503
    code: str = "ServerBusy"
    seconds: float = 0.0
    times: int = 1
    #: which byte of the body `flip_bit` and `bit_rot` change; the middle one if there is none
    byte: int | None = None
    #: so many requests that match pass unharmed before it begins
    skip: int = 0
    #: seconds, for the header Retry-After of a `status`
    retry_after: float | None = None
    #: How many requests it has met so far.
    hits: int = 0

    def matches(self, request: web.Request) -> bool:
        """Whether it applies to this request."""
        if self.hits >= self.times or self.method not in ("*", request.method):
            return False
        lines = [request.rel_url.raw_path_qs, *(f"{name}: {value}" for name, value in request.headers.items())]
        return self.contains.lower() in "\n".join(lines).lower()


class Faults(list[Fault]):
    """The faults of an emulator; append to it at any time. The first that matches a request is used up by it."""

    def take(self, request: web.Request) -> Fault | None:
        """The fault of this request, counted as met."""
        for fault in self:
            if fault.matches(request):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                return fault
        return None


def flip_bit(data: bytes, byte: int | None = None) -> bytes:
    """`data` with one bit changed, in its middle unless `byte` says where."""
    if not data:
        return data
    changed = bytearray(data)
    changed[len(changed) // 2 if byte is None else byte] ^= 0x10
    return bytes(changed)
