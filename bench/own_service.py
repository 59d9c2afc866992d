"""The service's own runtime for what the bench measures, and nobody else's."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from archival_core import runtime, settings
from archival_core.runtime import Runtime


@asynccontextmanager
async def own_service(url: str, redis_url: str, storage: str) -> AsyncIterator[Runtime]:
    """A runtime of its own: a database of its own, and streams and queues that nobody else has."""
    token = uuid4().hex[:8]
    os.environ |= {
        "SOURCE_DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "AzureWebJobsStorage": storage,
        "REMOVAL_GRACE": "PT0S",
        **{
            name: f"{name.lower().replace('_', '-')}-{token}"
            for name in ("ARCHIVE_QUEUE", "PART_QUEUE", "RESTORE_QUEUE", "REMOVAL_QUEUE", "VERIFY_QUEUE")
        },
        **{name: f"{name}.{token}" for name in ("EVENTS_STREAM", "RESULTS_STREAM", "DEAD_STREAM")},
    }
    settings.load.cache_clear()
    service = runtime.get()
    try:
        await service.ownership.take_over()
        await service.lake.ensure_filesystem()
        yield service
    finally:
        await service.close()
        runtime._current = None
