"""What every call shares: the request with its address, errors and how they are rendered, conditions and checksums."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

from aiohttp import web

from dev.lake_emulator.entry import Entry, TreeError
from dev.lake_emulator.faults import Fault
from dev.lake_emulator.tree import Tree

_CONTENT_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type")
#: Headers of every answer to a request, errors too.
ANSWER_HEADERS = web.RequestKey("answer_headers", dict[str, str])
#: The blob endpoint has its own words for the same conditions.
_BLOB_CODES = {
    "PathNotFound": "BlobNotFound",
    "PathAlreadyExists": "BlobAlreadyExists",
    "FilesystemNotFound": "ContainerNotFound",
    "FilesystemAlreadyExists": "ContainerAlreadyExists",
}


class StorageError(TreeError):
    """An answer that is an error: status, `x-ms-error-code`, message."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, addressed."""

    request: web.Request
    tree: Tree
    filesystem: str
    path: str
    body: bytes
    fault: Fault | None

    @property
    def query(self) -> Mapping[str, str]:
        """The decoded query parameters."""
        return self.request.query

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, case-insensitive."""
        return self.request.headers

    def has_fault(self, kind: str) -> bool:
        """Whether this request meets a fault of that kind."""
        return self.fault is not None and self.fault.kind == kind

    def existing(self) -> Entry:
        """The entry that the path names; 404 without one."""
        entry = self.tree.entry(self.filesystem, self.path)
        if entry is None:
            raise StorageError(404, "PathNotFound", "The specified path does not exist.")
        return entry


def http_date(moment: datetime) -> str:
    """RFC 1123, in GMT."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def stamp(entry: Entry) -> dict[str, str]:
    """The headers that tell one version of an entry from another."""
    return {"ETag": entry.etag, "Last-Modified": http_date(entry.modified)}


def is_dfs(request: web.Request) -> bool:
    """Whether the call belongs to the DFS endpoint (JSON errors) and not to the blob endpoint (XML errors)."""
    if "restype" in request.query or "comp" in request.query:
        return False
    return (
        request.method == "PATCH"
        or not {"resource", "action", "recursive"}.isdisjoint(request.query)
        or "x-ms-rename-source" in request.headers
        or "application/json" in request.headers.get("Accept", "")
    )


def error_response(request: web.Request, error: TreeError, request_id: str) -> web.Response:
    """The error in the words of the endpoint that was called."""
    if is_dfs(request):
        code = error.code
        message = f"{error.message}\nRequestId:{request_id}\nTime:{datetime.now(UTC).isoformat()}"
        body, content_type = json.dumps({"error": {"code": code, "message": message}}), "application/json"
    else:
        code = _BLOB_CODES.get(error.code, error.code)
        content_type = "application/xml"
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{escape(code)}</Code>'
            f"<Message>{escape(error.message)}</Message></Error>"
        )
    headers = {"x-ms-error-code": code}
    if request.method == "HEAD" or error.status == 304:
        # The service says `Transfer-Encoding: chunked` here, which keeps the connection, and which aiohttp leaves out. Without
        # either, clients take the answer for one that ends with its connection.
        return web.Response(status=error.status, headers=headers | {"Content-Length": "0"})
    return web.Response(status=error.status, text=body, content_type=content_type, headers=headers)


def check_conditions(call: Call, entry: Entry | None, prefix: str = "") -> None:
    """If-Match and If-None-Match (with `prefix`, those about a rename's source)."""
    match, none_match = call.headers.get(prefix + "If-Match"), call.headers.get(prefix + "If-None-Match")
    unmet = "The condition specified using HTTP conditional header(s) is not met."
    if match and (entry is None or match not in ("*", entry.etag)):
        raise StorageError(412, "ConditionNotMet", unmet)
    if none_match and entry is not None:
        if none_match == "*":
            raise StorageError(409, "PathAlreadyExists", "The specified path already exists.")
        if none_match == entry.etag:
            raise StorageError(304 if call.request.method in ("GET", "HEAD") else 412, "ConditionNotMet", unmet)


async def md5(data: bytes) -> bytes:
    """The digest, computed off the event loop."""
    return (await asyncio.to_thread(hashlib.md5, data, usedforsecurity=False)).digest()


async def check_md5(call: Call) -> dict[str, str]:
    """Compare the body with its Content-MD5, if it has one; returns the header to echo."""
    expected = call.headers.get("Content-MD5")
    if expected is None:
        return {}
    if base64.b64decode(expected) != await md5(call.body):
        raise StorageError(400, "Md5Mismatch", "The MD5 value in the request did not match that of the body.")
    return {"Content-MD5": expected}


def content_headers(call: Call) -> dict[str, str]:
    """Content-Type and its relatives that the request sets for the file."""
    found: dict[str, str] = {}
    for name in _CONTENT_HEADERS:
        for prefix in ("x-ms-", "x-ms-blob-"):
            if prefix + name in call.headers:
                found[name] = call.headers[prefix + name]
    return found


def blob_metadata(call: Call) -> dict[str, str]:
    """Metadata as the blob endpoint spells it: `x-ms-meta-<name>`."""
    prefix = "x-ms-meta-"
    return {name[len(prefix) :]: value for name, value in call.headers.items() if name.lower().startswith(prefix)}


def dfs_metadata(call: Call) -> dict[str, str]:
    """Metadata as the DFS endpoint spells it: `x-ms-properties: name=base64,…`."""
    pairs = (pair.partition("=") for pair in call.headers.get("x-ms-properties", "").split(",") if pair)
    return {name.strip(): base64.b64decode(value).decode() for name, _, value in pairs}
