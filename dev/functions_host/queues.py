"""Queue triggers: polling, visibility, renewal, dequeue counts and poison queues.

After https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger: a message in flight is hidden
for ten minutes and renewed at half-time; a killed host's message comes back when that is over.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import random
import re
from contextlib import suppress
from datetime import datetime
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from dev.functions_host import worker
from dev.functions_host.config import QueueOptions, connection_string
from dev.functions_host.errors import HostError
from dev.functions_host.worker import Function

_LOG = logging.getLogger("host")
_FIRST_DELAY_SECONDS = 0.1
_GRACE_SECONDS = 10
#: Few and short: polling goes on anyway, and a stop waits for them. Waits are in seconds.
_RETRIES: dict[str, Any] = {"retry_total": 2, "initial_backoff": 0.2, "increment_base": 1.5}
_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


class QueueListener:
    """Feeds one function from one queue."""

    def __init__(self, function: Function, options: QueueOptions, visibility: float, timeout: float | None) -> None:
        where = f"function {function.name}"
        self._function, self._options, self._visibility, self._timeout = function, options, visibility, timeout
        self._name = str(function.trigger["queueName"])
        if not _NAME.fullmatch(self._name):
            raise HostError(f"{where}: '{self._name}' is no queue name: 3 to 63 of a-z, 0-9 and single dashes inside")
        connection = connection_string(str(function.trigger["connection"]), where)
        try:
            self._queue = QueueClient.from_connection_string(connection, self._name, **_RETRIES)
            # a poison queue has none of its own
            poison = None if self._name.endswith("-poison") else f"{self._name}-poison"
            self._poison = QueueClient.from_connection_string(connection, poison, **_RETRIES) if poison else None
        except ValueError as error:
            raise HostError(f"{where}: the connection string in {function.trigger['connection']} is wrong: {error}") from None
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping` is set, then let running functions end, for a while."""
        delay = _FIRST_DELAY_SECONDS
        stop = asyncio.create_task(stopping.wait())
        while not stopping.is_set():
            taken = await self._take_batch() if len(self._running) <= self._options.new_batch_threshold else 0
            backed_off = min(delay * 2 * random.uniform(0.8, 1.2), self._options.max_polling_interval)
            delay = _FIRST_DELAY_SECONDS if taken else backed_off
            full = len(self._running) > self._options.new_batch_threshold
            waiting_for = {stop, *self._running} if full else {stop}
            await asyncio.wait(waiting_for, timeout=None if full else delay, return_when=asyncio.FIRST_COMPLETED)
        if self._running:
            _, unfinished = await asyncio.wait(self._running, timeout=_GRACE_SECONDS)
            for task in unfinished:
                task.cancel()  # its message comes back when it is visible again

    async def close(self) -> None:
        """Close the transports."""
        await self._queue.close()
        if self._poison:
            await self._poison.close()

    async def _take_batch(self) -> int:
        taken = 0
        try:
            async for message in self._queue.receive_messages(
                max_messages=self._options.batch_size,
                messages_per_page=self._options.batch_size,
                visibility_timeout=round(self._visibility),
            ):
                taken += 1
                task = asyncio.create_task(self._handle(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        except ResourceNotFoundError:
            pass  # nobody has sent anything yet
        except AzureError as error:
            _LOG.warning("polling the queue %s: %s", self._name, type(error).__name__)
        return taken

    async def _handle(self, message: QueueMessage) -> None:
        renewal = asyncio.create_task(self._renew(message))
        try:
            succeeded = await self._invoke(message)
        finally:
            renewal.cancel()
        try:
            await self._settle(message, succeeded)
        except ResourceNotFoundError:
            _LOG.warning("a message of %s was taken by another host in the meantime", self._name)
        except AzureError as error:
            _LOG.warning("settling a message of %s: %s; it will come again", self._name, type(error).__name__)

    async def _invoke(self, message: QueueMessage) -> bool:
        assert message.dequeue_count is not None
        if message.dequeue_count > self._options.max_dequeue_count and self._poison:
            return False
        try:
            body = base64.b64decode(message.content, validate=True) if self._options.base64 else message.content.encode()
        except (binascii.Error, ValueError):
            _LOG.error("a message of %s is not base64, which messageEncoding in host.json asks for", self._name)
            message.dequeue_count = self._options.max_dequeue_count  # the real host moves it to the poison queue at once
            return False
        try:
            datum = worker.string(body.decode())
        except UnicodeDecodeError:
            datum = worker.blob(body)
        reason = f"New queue message detected on '{self._name}'."
        return (await worker.invoke(self._function, datum, _metadata(message), reason, self._timeout)).succeeded

    async def _settle(self, message: QueueMessage, succeeded: bool) -> None:
        assert message.dequeue_count is not None
        if succeeded:
            await self._queue.delete_message(message)
        elif self._poison is None:
            # the real host leaves it hidden, so that a failing poison function does not loop
            _LOG.warning("a message of %s failed; it comes back in %d s", self._name, self._visibility)
        elif message.dequeue_count < self._options.max_dequeue_count:
            await self._queue.update_message(message, visibility_timeout=round(self._options.retry_visibility))
        else:
            with suppress(ResourceExistsError):
                await self._poison.create_queue()
            await self._poison.send_message(message.content, time_to_live=-1)
            await self._queue.delete_message(message)
            _LOG.warning(
                "Message has reached MaxDequeueCount of %d. Moving message to queue '%s-poison'.",
                self._options.max_dequeue_count,
                self._name,
            )

    async def _renew(self, message: QueueMessage) -> None:
        while True:
            await asyncio.sleep(self._visibility / 2)
            try:
                renewed = await self._queue.update_message(message, visibility_timeout=round(self._visibility))
                message.pop_receipt = renewed.pop_receipt
            except AzureError as error:
                _LOG.warning("a message of %s was not renewed: %s", self._name, type(error).__name__)


def _metadata(message: QueueMessage) -> dict[str, Any]:
    def moment(value: datetime | None) -> Any:
        return worker.document(value.isoformat() if value else None)

    return {
        "Id": worker.string(str(message.id)),
        "DequeueCount": worker.document(message.dequeue_count),
        "InsertionTime": moment(message.inserted_on),
        "ExpirationTime": moment(message.expires_on),
        "NextVisibleTime": moment(message.next_visible_on),
        "PopReceipt": worker.string(str(message.pop_receipt)),
    }
