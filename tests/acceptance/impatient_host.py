"""The functions host in a hurry: what takes minutes in the cloud takes tenths of a second.

Five deliveries, a short time between them, a poison queue, a timer for the drain. One message at a time, as `host.json` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueMessage, TextBase64DecodePolicy, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from archival_core.errors import ArchivalError
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

_MOST_DELIVERIES = 5
_HIDDEN_SECONDS = 3
_TICK_SECONDS = 0.1


class ImpatientHost:
    """Delivers the messages of the archive queue, and drains events, until it is told to stop."""

    def __init__(self, service: Service) -> None:
        self._runtime: Runtime = service.runtime
        self._queue = QueueClient.from_connection_string(
            service.names["AzureWebJobsStorage"],
            service.names["ARCHIVE_QUEUE"],
            message_decode_policy=TextBase64DecodePolicy(),
            message_encode_policy=TextBase64EncodePolicy(),
            retry_total=0,
        )
        #: invocations of the queue's function, and those that failed
        self.deliveries = self.failures = self.poisoned = 0

    async def run(self, until: Callable[[], bool], seconds: float) -> bool:
        """Go on until `until`, or for so many seconds; whether it came to that."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (done := until()) and asyncio.get_running_loop().time() < deadline:
            with suppress(ArchivalError):
                await self._runtime.event_drain.drain()
            with suppress(AzureError):
                message = await self._queue.receive_message(visibility_timeout=_HIDDEN_SECONDS)
                if message is not None:
                    await self._deliver(message)
                    continue
            await asyncio.sleep(_TICK_SECONDS)
        return done

    async def close(self) -> None:
        """Close the client."""
        await self._queue.close()

    async def _deliver(self, message: QueueMessage) -> None:
        self.deliveries += 1
        try:
            await self._runtime.archival_processor.process(JobMessage.from_json(message.content))
        except ArchivalError:
            self.failures += 1
            if message.dequeue_count is not None and message.dequeue_count < _MOST_DELIVERIES:
                await self._queue.update_message(message, visibility_timeout=0)
                return
            self.poisoned += 1
            with suppress(ArchivalError):
                await self._runtime.archival_processor.give_up(JobMessage.from_json(message.content))
        await self._queue.delete_message(message)
