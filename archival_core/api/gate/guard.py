"""What every request passes before a route sees it: how much may come in, how many at a time, and what a defect looks like."""

from __future__ import annotations

import logging
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archival_core.api import problems

_LOG = logging.getLogger(__name__)

MOST_BYTES: Final = 64 * 1024
#: Requests that one instance works on at a time; each may hold a connection to the ledger, and those are few.
MOST_REQUESTS: Final = 64
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})

#: On every answer: none is kept by a cache, interpreted as something else, or shown inside another site.
_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


class Guard:
    """ASGI middleware; the outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(header for header in _HEADERS if header[0] not in given)]
            await send(message)

        # whoever asks whether the process lives must not hear that it is busy
        if self._requests >= MOST_REQUESTS and not scope["path"].startswith("/api/health/"):
            refusal = problems.answer(429, "too-many-requests", headers={"Retry-After": "1"})
            await refusal(scope, receive, sending)
            return
        self._requests += 1
        try:
            await self._pass_on(scope, receive, sending)
        except Exception:
            # what it says may hold anything, so it goes to the log alone
            _LOG.exception("%s %s failed", scope["method"], scope["path"])
            if begun:
                raise
            await problems.answer(500, "internal")(scope, receive, sending)
        finally:
            self._requests -= 1

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            await problems.answer(413, "body-too-large", f"the limit is {MOST_BYTES} bytes")(scope, receive, send)
            return
        if body and scope["method"] in _WITH_BODY and not _is_json(scope):
            await problems.answer(415, "not-json", "send application/json")(scope, receive, send)
            return
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; `None` if it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _is_json(scope: Scope) -> bool:
    found = next((value for name, value in scope["headers"] if name.lower() == b"content-type"), b"")
    kind = found.split(b";")[0].strip().lower()
    # https://www.rfc-editor.org/rfc/rfc7396
    return bool(kind == b"application/json" or (kind == b"application/merge-patch+json" and scope["method"] == "PATCH"))
