"""The storage account behind the lake: whether a second region has copies, and how far the copying is.

Only the blob service tells; the hierarchical namespace lies in the same account. A second region is readable, and says how
far the copying is, where the account has read access to it (RA-GRS, RA-GZRS).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlsplit

from azure.storage.blob.aio import BlobServiceClient

from archival_core.clients import network
from archival_core.lake import credentials
from archival_core.lake.errors import lake_errors
from archival_core.lake.url import blob_endpoint, parse_lake_url

#: One answer within seconds: whoever asks has a chunk in hand, and comes again.
_OPTIONS: dict[str, Any] = {"retry_total": 1, "initial_backoff": 0.5, "connection_timeout": 5, "read_timeout": 10}


class LakeAccount:
    """The account that LAKE_URL names."""

    def __init__(self, service: BlobServiceClient, credential: Any = None) -> None:
        self._service, self._credential = service, credential

    @classmethod
    def open(cls, lake_url: str, account_key: str | None = None) -> Self:
        """Connect to nothing yet; as `LakehouseClient.open`."""
        endpoint, account, _, _ = parse_lake_url(lake_url)
        options = {**_OPTIONS, **network.DIRECT}
        parts = urlsplit(endpoint)
        if parts.path:
            # a local server has the account in the path, and its second region beside it
            options["secondary_hostname"] = f"{parts.netloc}/{account}-secondary"
        credential: Any = credentials.credential_for(account, account_key)
        return cls(BlobServiceClient(blob_endpoint(endpoint), credential=credential, **options), credential)

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()
        await credentials.close(self._credential)

    async def sku(self) -> str:
        """Such as `Standard_ZRS` or `Standard_RAGRS`. Raises `TransientError`: `lake-forbidden` where the role may not ask."""
        with lake_errors("ask", "the account for its kind of redundancy"):
            found: Any = await self._service.get_account_information()
        return str(found["sku_name"])

    async def last_sync(self) -> datetime | None:
        """The second region has everything that was written before this time; `None` while the time is not known, as at first.

        Raises `TransientError`: `lake-forbidden` where the second region is not readable, or the role may not ask.
        """
        with lake_errors("ask", "the account's second region how far it is"):
            found: Any = await self._service.get_service_stats()
        moment = (found.get("geo_replication") or {}).get("last_sync_time")
        return None if moment is None else moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
