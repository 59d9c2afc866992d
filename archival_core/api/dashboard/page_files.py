"""The page and its files as they are, and the headers that keep it to them.

The page is asked for each time. Its files stand below an address that changes with any of them, so that a browser asks for a
file once and keeps it: a page that was opened before needs one request for itself, and those for its figures.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
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
    "Vary": "Accept-Encoding",
}
#: The page is asked for again each time and answered in a few bytes, so that a new version shows at once.
_AGAIN: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"

_PAGE: Final = "page.html"
#: The sheets in `styles/`, in the order in which their rules apply; they are sent as one.
_SHEETS: Final = (
    *("colours", "page", "layout", "top", "controls", "dialog", "parts", "chunk", "tables", "cards", "charts", "query"),
)
_STYLES: Final = "console.css"
#: What the first view consists of: the page names all that these import, so that no file waits until another has come.
_FIRST: Final = ("console.js", "views/overview.js")
_IMPORTED: Final = re.compile(r'^import .* from "\./([\w./]+)";$|^import .* from "(\.\./[\w./]+)";$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    compressed: bytes


@dataclass(frozen=True, slots=True)
class _Files:
    """Everything that is served."""

    page: _File
    by_name: dict[str, _File]
    version: str


def page(known_tag: str | None, encodings: str = "") -> Response:
    """The page itself, or 304 if the caller has it already."""
    found = _read()
    tag = f'"{found.version}"'
    headers = {**_HEADERS, "ETag": tag, "Cache-Control": _AGAIN}
    if known_tag == tag:
        return Response(status_code=304, headers=headers)
    return _response(_PAGE, found.page, headers, encodings)


def file(version: str, name: str, encodings: str = "") -> Response | None:
    """A file of the page; `None` if there is none of that name.

    A page of another `version`, which an update has overtaken, gets the file of today, and keeps it for this time alone.
    """
    found = _read()
    if name not in found.by_name:
        return None
    headers = {**_HEADERS, "Cache-Control": _FOR_EVER if version == found.version else _AGAIN}
    return _response(name, found.by_name[name], headers, encodings)


def _response(name: str, found: _File, headers: dict[str, str], encodings: str) -> Response:
    headers = {**headers, "Content-Type": _TYPES[name.rpartition(".")[2]]}
    if "gzip" in encodings:
        return Response(found.compressed, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.content, headers=headers)


@cache
def _read() -> _Files:
    """All files, read once. Only what is listed here is ever sent, so no other path can be."""
    texts = dict(_listed(files("archival_core.api").joinpath("static")))
    texts[_STYLES] = "\n".join(texts.pop(f"styles/{name}.css") for name in _SHEETS)
    html = texts.pop(_PAGE)
    version = hashlib.sha256(repr((html, sorted(texts.items()))).encode()).hexdigest()[:16]
    preloads = "".join(f'  <link rel="modulepreload" href="dashboard/static/{name}">\n' for name in _first_modules(texts))
    html = html.replace("</head>", f"{preloads}</head>").replace("dashboard/static/", f"dashboard/static/{version}/")
    return _Files(_file(html), {name: _file(text) for name, text in texts.items()}, version)


def _listed(folder: Traversable, path: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _listed(entry, f"{path}{entry.name}/")
        else:
            found.append((f"{path}{entry.name}", entry.read_text("utf-8")))
    return found


def _first_modules(texts: dict[str, str]) -> list[str]:
    """The scripts that the first view needs."""
    found: dict[str, None] = {}
    waiting = list(_FIRST)
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        found[name] = None
        folder = name.rpartition("/")[0]
        for below, beside in _IMPORTED.findall(texts[name]):
            waiting.append(beside.removeprefix("../") if beside else f"{folder}/{below}".lstrip("/"))
    return list(found)


def _file(text: str) -> _File:
    content = text.encode()
    return _File(content, gzip.compress(content, mtime=0))
