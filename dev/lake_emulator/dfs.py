"""The DFS endpoint: create, append, flush, rename, delete, list.

https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path
"""

from __future__ import annotations

import base64
import bisect
from urllib.parse import unquote

from aiohttp import web

from dev.lake_emulator.faults import flip_bit
from dev.lake_emulator.protocol import (
    Call,
    StorageError,
    check_conditions,
    check_md5,
    content_headers,
    dfs_metadata,
    http_date,
    stamp,
)

_PAGE = 5000
_WINDOWS_EPOCH_TICKS = 116_444_736_000_000_000
_ENCRYPTED = {"x-ms-request-server-encrypted": "true"}


async def create(call: Call) -> web.Response:
    """`PUT ?resource=file|directory`"""
    check_conditions(call, call.tree.entry(call.filesystem, call.path))
    entry = call.tree.create(call.filesystem, call.path, directory=call.query["resource"] == "directory")
    properties = call.tree.properties(call.filesystem, call.path)
    properties.metadata, properties.headers = dfs_metadata(call), content_headers(call)
    return web.Response(status=201, headers=stamp(entry) | _ENCRYPTED)


async def rename(call: Call) -> web.Response:
    """`PUT` with `x-ms-rename-source`"""
    source_filesystem, _, source_path = unquote(call.headers["x-ms-rename-source"].partition("?")[0]).strip("/").partition("/")
    source = call.tree.entry(source_filesystem, source_path)
    if source is None:
        raise StorageError(404, "SourcePathNotFound", "The source path for a rename operation does not exist.")
    check_conditions(call, call.tree.entry(call.filesystem, call.path))
    check_conditions(call, source, "x-ms-source-")
    entry = call.tree.rename((source_filesystem, source_path), (call.filesystem, call.path))
    return web.Response(status=201, headers=stamp(entry))


async def patch(call: Call) -> web.Response:
    """`PATCH ?action=append|flush|setProperties`"""
    action = call.query.get("action")
    if action == "append":
        return await _append(call)
    entry = call.existing()
    check_conditions(call, entry)
    if action == "flush":
        entry = call.tree.flush(call.filesystem, call.path, _position(call))
        if headers := content_headers(call):
            call.tree.properties(call.filesystem, call.path).headers = headers
        return web.Response(status=200, headers=stamp(entry) | _ENCRYPTED)
    if action == "setProperties":
        call.tree.properties(call.filesystem, call.path).metadata = dfs_metadata(call)
        return web.Response(status=200, headers=stamp(call.tree.touch(call.filesystem, call.path)))
    raise StorageError(400, "InvalidQueryParameterValue", f"The action {action!r} is not supported here.")


async def _append(call: Call) -> web.Response:
    headers = await check_md5(call) | _ENCRYPTED
    data = flip_bit(call.body, call.fault.byte) if call.fault and call.fault.kind == "bit_rot" else call.body
    position = _position(call)
    call.tree.append(call.filesystem, call.path, position, data)
    if call.query.get("flush") == "true":
        headers |= stamp(call.tree.flush(call.filesystem, call.path, position + len(data)))
    return web.Response(status=202, headers=headers)


async def delete(call: Call) -> web.Response:
    """`DELETE [?recursive=true]`"""
    check_conditions(call, call.existing())
    call.tree.delete(call.filesystem, call.path, recursive=call.query.get("recursive") == "true")
    return web.Response(status=202, headers={"x-ms-delete-type-permanent": "true"})


async def list_paths(call: Call) -> web.Response:
    """`GET ?resource=filesystem`, in pages: the continuation names the first path of the next one."""
    query = call.query
    directory = query.get("directory", "").strip("/")
    entries = call.tree.walk(call.filesystem, directory, recursive=query.get("recursive") == "true")
    if token := query.get("continuation"):
        try:
            start = base64.b64decode(token, altchars=b"-_", validate=True).decode()
        except ValueError:
            raise StorageError(400, "InvalidQueryParameterValue", "This is no continuation token.") from None
        entries = entries[bisect.bisect_left(entries, start, key=lambda entry: entry.path) :]
    size = min(int(query.get("maxResults", _PAGE)), _PAGE)
    page, rest = entries[:size], entries[size:]
    paths = [
        {
            "name": entry.path,
            "contentLength": str(entry.length),
            "etag": entry.etag.strip('"'),
            "lastModified": http_date(entry.modified),
            "creationTime": str(entry.modified_ns // 100 + _WINDOWS_EPOCH_TICKS),
            "owner": "$superuser",
            "group": "$superuser",
            "permissions": "rwxr-x---" if entry.is_directory else "rw-r-----",
        }
        | ({"isDirectory": "true"} if entry.is_directory else {})
        for entry in page
    ]
    more = {"x-ms-continuation": base64.urlsafe_b64encode(rest[0].path.encode()).decode()} if rest else {}
    return web.json_response({"paths": paths}, headers=more)


def _position(call: Call) -> int:
    value = call.query.get("position", "")
    if not value.isdigit():
        raise StorageError(400, "MissingRequiredQueryParameter", "The query parameter position is missing.")
    return int(value)
