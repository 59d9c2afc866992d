"""The page's files as they are, and the headers that keep it to them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi.responses import Response

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

#: Scripts and styles of this address alone, no text ever taken for HTML or script, and no other site around it.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # asked for again each time and answered in a few bytes, so that a new version shows at once
    "Cache-Control": "no-cache",
}


@cache
def _content(name: str) -> tuple[bytes, str] | None:
    """A file and its tag; `None` if there is none of that name."""
    # only a name that is listed is opened, so that no other path can be
    found = {entry.name: entry for entry in files("archival_core.api").joinpath("static").iterdir() if entry.is_file()}
    if name not in found:
        return None
    content = found[name].read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:20]}"'


def answer(name: str, known_tag: str | None) -> Response | None:
    """The file, or 304 if the caller has it already; `None` if there is none of that name."""
    found = _content(name)
    if found is None:
        return None
    content, tag = found
    headers = {**_HEADERS, "ETag": tag}
    if known_tag == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers={**headers, "Content-Type": _TYPES[name.rpartition(".")[2]]})
