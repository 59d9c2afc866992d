"""A queue service that falls silent: whoever waits for it is told in time."""

from __future__ import annotations

import asyncio
import re

import pytest

from archival_core.clients import queue as queue_module
from archival_core.clients.queue import QueueClient
from archival_core.errors import TransientError
from archival_core.model.jobs.message import JobMessage
from tests.faults.proxy import Weather, proxied

MESSAGE = '{"v": 1, "job_id": "0190b3a4-0000-7000-8000-000000000000", "traceparent": null}'


async def test_a_silent_queue_is_told_in_time(storage_connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Production's bound is twenty times this one."""
    monkeypatch.setattr(queue_module, "_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(queue_module, "_RETRIES", {"retry_total": 1, "initial_backoff": 0, "increment_base": 0})
    found = re.search(r"QueueEndpoint=http://127\.0\.0\.1:(\d+)", storage_connection)
    assert found is not None
    async with proxied(int(found[1])) as proxy:
        url = storage_connection.replace(f"127.0.0.1:{found[1]}", f"127.0.0.1:{proxy.port}")
        queue = QueueClient.open("silent", connection_string=url, service_url=None)
        try:
            await queue.ping()
            proxy.weather = Weather("black_hole")
            for ask in (queue.ping(), queue.send([JobMessage.from_json(MESSAGE)])):
                with pytest.raises(TransientError) as told:
                    async with asyncio.timeout(10):
                        await ask
                assert told.value.code == "queue"
            proxy.heal()
            await queue.ping()
        finally:
            await queue.close()
