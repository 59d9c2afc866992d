"""Answers take few bytes on their way: compressed for who can read that, and not sent again to who has them already."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Of a body: less is not worth the header, more takes long enough to let others have the loop meanwhile.
_WORTHWHILE: Final = 1024
_ASIDE: Final = 64 * 1024
_LEVEL: Final = 5
_TEXTS: Final = ("application/json", "application/openmetrics-text", "text/csv", "text/plain")


class Compact:
    """ASGI middleware for whole texts, which are sent once to who asks with GET; answers that are no text pass as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer with `304` or compressed where that is the same to the caller."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "POST"):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        begin: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal begin
            if message["type"] == "http.response.start" and _is_text(message):
                begin = message
            elif begin is None:
                await send(message)
            else:
                first, begin = begin, None
                if message.get("more_body"):
                    # what comes in pieces is not kept here until it is whole
                    await send(first)
                    await send(message)
                else:
                    for sent in await _compacted(first, message, asked, is_kept=scope["method"] == "GET"):
                        await send(sent)

        await self._app(scope, receive, sending)


def _is_text(begin: Message) -> bool:
    headers = Headers(raw=begin["headers"])
    return (
        begin["status"] == 200
        and headers.get("content-type", "").startswith(_TEXTS)
        and "content-encoding" not in headers
        and "etag" not in headers
    )


async def _compacted(begin: Message, body: Message, asked: Headers, *, is_kept: bool) -> tuple[Message, Message]:
    content: bytes = body.get("body", b"")
    headers = MutableHeaders(raw=list(begin["headers"]))
    headers.add_vary_header("Accept-Encoding")
    tag, status = "", begin["status"]
    if is_kept:
        # weak: the same text, compressed or not
        tag = headers["ETag"] = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    if tag and tag in (known.strip() for known in asked.get("if-none-match", "").split(",")):
        status, content = 304, b""
        del headers["content-type"]
    elif len(content) >= _WORTHWHILE and "gzip" in asked.get("accept-encoding", ""):
        content = await asyncio.to_thread(_gzipped, content) if len(content) >= _ASIDE else _gzipped(content)
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(content))
    return {**begin, "status": status, "headers": headers.raw}, {**body, "body": content}


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, _LEVEL, mtime=0)
