"""The API as a caller sees it, without a host in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from archival_core.api.app import create_app
from archival_core.functions.api_services import services


@asynccontextmanager
async def api_client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application over the runtime of this loop."""
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://service/api", timeout=60) as client:
        yield client
