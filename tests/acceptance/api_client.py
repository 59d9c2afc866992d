"""The API as a caller sees it, without a host in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from archival_core.api.app import create_app
from archival_core.functions.api_services import services

#: One for all tests: it asks for the services at each request, and its first request takes a tenth of a second for itself.
_APP = create_app(services)


@asynccontextmanager
async def api_client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application over the runtime of this loop."""
    transport = httpx.ASGITransport(_APP)
    async with httpx.AsyncClient(transport=transport, base_url="http://service/api", timeout=60) as client:
        yield client
