"""The blob endpoint over the same files: properties, ranged reads, uploads and listing.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import web

from dev.lake_emulator.entry import Entry
from dev.lake_emulator.faults import flip_bit
from dev.lake_emulator.protocol import (
    ANSWER_HEADERS,
    Call,
    StorageError,
    blob_metadata,
    check_conditions,
    check_md5,
    content_headers,
    http_date,
    md5,
    stamp,
)

_PIECE = 1 << 20
#: The service computes the MD5 of a range only up to here.
_MD5_RANGE = 4 << 20
_PAGE = 5000
_ENCRYPTED = {"x-ms-request-server-encrypted": "true"}


async def read(call: Call) -> web.StreamResponse:
    """`HEAD` and `GET`, whole or a range; content goes out in pieces of 1 MiB."""
    entry = call.existing()
    check_conditions(call, entry)
    headers = _describe(call, entry)
    if call.request.method == "HEAD":
        return web.Response(headers=headers | {"Content-Length": str(entry.length)})
    if entry.is_directory:
        return web.Response(headers=headers)
    with call.tree.open(call.filesystem, call.path) as file:
        return await _send(call, file, entry.length, headers)


async def _send(call: Call, file: BinaryIO, length: int, headers: dict[str, str]) -> web.StreamResponse:
    span = _range(call, length)
    status, first, left = (200, 0, length) if span is None else (206, span.first, span.length)
    file.seek(first)
    rotten = call.has_fault("bit_rot")
    if span is not None:
        headers["Content-Range"] = f"bytes {first}-{first + left - 1}/{length}"
        if call.headers.get("x-ms-range-get-content-md5", "").lower() == "true":
            if left > _MD5_RANGE:
                raise StorageError(400, "OutOfRangeInput", "An MD5 is computed for ranges up to 4 MiB only.")
            content = file.read(left)
            digest = await md5(flip_bit(content) if rotten else content)
            headers["Content-MD5"] = base64.b64encode(digest).decode()
            file.seek(first)
    response = web.StreamResponse(status=status, headers=headers | {"Content-Length": str(left)})
    # what belongs to every answer is set now: headers cannot follow once the content has begun
    response.headers.update(call.request[ANSWER_HEADERS])
    if call.has_fault("drop_response") or call.has_fault("status_after"):
        return web.Response(status=status)
    await response.prepare(call.request)
    # the whole range is one piece where a fault has to change the same bit as the digest saw
    wrong = rotten or call.has_fault("flip_bit")
    while left:
        piece = file.read(min(left, _MD5_RANGE if wrong else _PIECE))
        left -= len(piece)
        if call.has_fault("torn"):
            await response.write(piece[: len(piece) // 2])
            await response.write_eof()
            return response
        await response.write(flip_bit(piece) if wrong else piece)
        wrong = False
    await response.write_eof()
    return response


@dataclass(frozen=True, slots=True)
class _Range:
    first: int
    length: int


def _range(call: Call, length: int) -> _Range | None:
    value = call.headers.get("x-ms-range") or call.headers.get("Range")
    if not value:
        return None
    if not (match := re.fullmatch(r"bytes=(\d*)-(\d*)", value)) or match[1] == match[2] == "":
        raise StorageError(400, "InvalidHeaderValue", "The range is not valid.")
    first = int(match[1]) if match[1] else max(0, length - int(match[2]))
    last = min(int(match[2]), length - 1) if match[1] and match[2] else length - 1
    if first >= length or last < first:
        raise StorageError(416, "InvalidRange", "The range is invalid for the current size of the resource.")
    return _Range(first, last - first + 1)


def _describe(call: Call, entry: Entry) -> dict[str, str]:
    properties = call.tree.properties(call.filesystem, call.path)
    headers = stamp(entry) | {
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        "x-ms-resource-type": "directory" if entry.is_directory else "file",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(entry.modified),
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "true",
        "x-ms-owner": "$superuser",
        "x-ms-group": "$superuser",
        "x-ms-permissions": "rwxr-x---" if entry.is_directory else "rw-r-----",
    }
    headers |= {name.title(): value for name, value in properties.headers.items()}
    headers |= {f"x-ms-meta-{name}": value for name, value in properties.metadata.items()}
    return headers | ({"x-ms-meta-hdi_isfolder": "true"} if entry.is_directory else {})


async def put(call: Call) -> web.Response:
    """`PUT`: a whole blob, `?comp=block`, `?comp=blocklist`, `?comp=metadata`, `?comp=properties`"""
    comp = call.query.get("comp")
    if comp in ("metadata", "properties"):
        return _set_properties(call, comp)
    headers = await check_md5(call) | _ENCRYPTED
    if comp == "block":
        call.tree.put_block(call.filesystem, call.path, call.query["blockid"], call.body)
        return web.Response(status=201, headers=headers)
    check_conditions(call, call.tree.entry(call.filesystem, call.path))
    if comp == "blocklist":
        blocks = [element.text or "" for element in ElementTree.fromstring(call.body)]  # noqa: S314 - our own clients
        entry = call.tree.put_block_list(call.filesystem, call.path, blocks)
    elif comp is None:
        data = flip_bit(call.body, call.fault.byte) if call.fault and call.fault.kind == "bit_rot" else call.body
        entry = call.tree.put(call.filesystem, call.path, data)
    else:
        raise StorageError(501, "NotImplemented", f"comp={comp} is not supported here.")
    properties = call.tree.properties(call.filesystem, call.path)
    properties.metadata, properties.headers = blob_metadata(call), content_headers(call)
    return web.Response(status=201, headers=headers | stamp(entry))


def _set_properties(call: Call, comp: str) -> web.Response:
    check_conditions(call, call.existing())
    properties = call.tree.properties(call.filesystem, call.path)
    if comp == "metadata":
        properties.metadata = blob_metadata(call)
    else:
        properties.headers = content_headers(call)
    return web.Response(status=200, headers=stamp(call.tree.touch(call.filesystem, call.path)) | _ENCRYPTED)


async def list_blobs(call: Call) -> web.Response:
    """`GET ?restype=container&comp=list`, flat or by delimiter, in pages."""
    query = call.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    items: dict[str, str] = {}
    for entry in call.tree.walk(call.filesystem, "", recursive=True):
        rest = entry.path[len(prefix) :]
        if not entry.path.startswith(prefix):
            continue
        if delimiter and (delimiter in rest or entry.is_directory):
            name = prefix + rest.partition(delimiter)[0] + delimiter
            items[name] = f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
        else:
            items[entry.path] = _blob_element(entry)
    names = [name for name in sorted(items) if name >= max(query.get("marker", ""), query.get("startFrom", ""))]
    size = min(int(query.get("maxresults", _PAGE)), _PAGE)
    marker = names[size] if len(names) > size else ""
    return web.Response(
        content_type="application/xml",
        text=f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{call.filesystem}">'
        f"<Prefix>{escape(prefix)}</Prefix><Blobs>{''.join(items[name] for name in names[:size])}</Blobs>"
        f"<NextMarker>{escape(marker)}</NextMarker></EnumerationResults>",
    )


def _blob_element(entry: Entry) -> str:
    kind = "directory" if entry.is_directory else "file"
    folder = "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>" if entry.is_directory else ""
    return (
        f"<Blob><Name>{escape(entry.path)}</Name><Properties><Creation-Time>{http_date(entry.modified)}</Creation-Time>"
        f"<Last-Modified>{http_date(entry.modified)}</Last-Modified><Etag>{entry.etag.strip(chr(34))}</Etag>"
        f"<ResourceType>{kind}</ResourceType><Content-Length>{entry.length}</Content-Length>"
        "<Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType>"
        "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState></Properties>"
        f"{folder}</Blob>"
    )
