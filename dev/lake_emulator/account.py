"""What the blob service tells of the whole account: its redundancy, and how far the second region is.

https://learn.microsoft.com/rest/api/storageservices/get-account-information
https://learn.microsoft.com/rest/api/storageservices/get-blob-service-stats
"""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from dev.lake_emulator.protocol import StorageError, http_date


def is_about_account(request: web.Request) -> bool:
    """Whether the request is none about a filesystem or a path."""
    return (request.query.get("restype"), request.query.get("comp")) in (("account", "properties"), ("service", "stats"))


def about_account(request: web.Request, sku: str, last_sync: datetime | None, *, secondary: bool) -> web.Response:
    """The answer of an account of that redundancy, at its first or its second region's address."""
    if request.query["restype"] == "account":
        return web.Response(
            headers={"x-ms-sku-name": sku, "x-ms-account-kind": "StorageV2", "x-ms-is-hns-enabled": "true"},
        )
    if not secondary:
        raise StorageError(400, "InvalidQueryParameterValue", "The statistics are at the second region's address alone.")
    if "RAG" not in sku:
        raise StorageError(403, "InsufficientAccountPermissions", "Read operations are currently disabled.")
    told = ("live", http_date(last_sync)) if last_sync else ("unavailable", "")
    return web.Response(
        content_type="application/xml",
        text='<?xml version="1.0" encoding="utf-8"?><StorageServiceStats><GeoReplication>'
        f"<Status>{told[0]}</Status><LastSyncTime>{told[1]}</LastSyncTime></GeoReplication></StorageServiceStats>",
    )
