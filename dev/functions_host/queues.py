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

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError, ServiceRequestError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from dev.functions_host import worker
from dev.functions_host.config import QueueOptions, connection_string
from dev.functions_host.errors import HostError
from dev.functions_host.life import Life
from dev.functions_host.worker import Function

_LOG = logging.getLogger("host")
_FIRST_DELAY_SECONDS = 0.1
_RENEWALS = 6
#: Few and short: polling goes on anyway, and a stop waits for them. Waits are in seconds.
_RETRIES: dict[str, Any] = {"retry_total": 2, "initial_backoff": 0.2, "increment_base": 1.5}
_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


class QueueListener:
    """Feeds one function from one queue."""

    def __init__(self, function: Function, options: QueueOptions, visibility: float, timeout: float | None, life: Life) -> None:
        where = f"function {function.name}"
        self._function, self._options, self._visibility, self._timeout = function, options, visibility, timeout
        self._life = life
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
        self._unsettled: dict[str, QueueMessage] = {}
        self._refused_since: float | None = None

    async def listen(self) -> None:
        """Poll until the host ends. Who stops it waits for the functions; who ends by itself gives their messages back."""
        delay = _FIRST_DELAY_SECONDS
        stopping = self._life.stopping
        stop = asyncio.create_task(stopping.wait())
        while not stopping.is_set():
            taken = await self._take_batch() if len(self._running) <= self._options.new_batch_threshold else 0
            backed_off = min(delay * 2 * random.uniform(0.8, 1.2), self._options.max_polling_interval)
            delay = _FIRST_DELAY_SECONDS if taken else backed_off
            full = len(self._running) > self._options.new_batch_threshold
            waiting_for = {stop, *self._running} if full else {stop}
            await asyncio.wait(waiting_for, timeout=None if full else delay, return_when=asyncio.FIRST_COMPLETED)
        if self._life.reason:
            await self._give_back()
        elif self._running:
            await asyncio.wait(self._running)

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
                self._unsettled[message.id] = message
                task = asyncio.create_task(self._handle(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            self._refused_since = None
        except ResourceNotFoundError:
            self._refused_since = None  # nobody has sent anything yet
        except AzureError as error:
            _LOG.warning("polling the queue %s: %s", self._name, type(error).__name__)
            self._refuse(error)
        return taken

    def _refuse(self, error: AzureError) -> None:
        """Storage that takes no connections ends the host after a time; storage that answers with an error does not."""
        if not isinstance(error, ServiceRequestError):
            self._refused_since = None
            return
        now = asyncio.get_running_loop().time()
        self._refused_since = self._refused_since or now
        if now - self._refused_since >= self._life.patience:
            self._life.end(f"the listener of {self._name} has no connection to storage")

    async def _handle(self, message: QueueMessage) -> None:
        renewal = asyncio.create_task(self._renew(message))
        try:
            succeeded = await self._invoke(message)
        finally:
            renewal.cancel()
        await self._try_to_settle(message, succeeded)

    async def _give_back(self) -> None:
        """The invocations end with their worker, so each has failed."""
        for message in list(self._unsettled.values()):
            await self._try_to_settle(message, False)

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
            _LOG.error("a message of %s is not UTF-8", self._name)
            return False  # its binding fails; no function runs
        reason = f"New queue message detected on '{self._name}'."
        outcome = await worker.invoke(self._function, datum, _metadata(message), reason, self._timeout)
        if outcome.timed_out:
            # the call has failed at once, while its code runs on until the worker has ended
            await self._try_to_settle(message, False)
            self._life.end(f"{self._function.name} ran longer than functionTimeout")
        return outcome.succeeded

    async def _try_to_settle(self, message: QueueMessage, succeeded: bool) -> None:
        if self._unsettled.pop(message.id, None) is None:
            return
        try:
            await self._settle(message, succeeded)
        except ResourceNotFoundError:
            _LOG.warning("a message of %s was taken by another host in the meantime", self._name)
        except AzureError as error:
            _LOG.warning("settling a message of %s: %s; it will come again", self._name, type(error).__name__)

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
            # like the real host's, it expires after the seven days of the service's default
            await self._poison.send_message(message.content)
            await self._queue.delete_message(message)
            _LOG.warning(
                "Message has reached MaxDequeueCount of %d. Moving message to queue '%s-poison'.",
                self._options.max_dequeue_count,
                self._name,
            )

    async def _renew(self, message: QueueMessage) -> None:
        """Keep it hidden. Who has lost it renews no more; who cannot reach storage tries some times and then ends the host."""
        while True:
            await asyncio.sleep(self._visibility / 2)
            for left in reversed(range(_RENEWALS)):
                try:
                    renewed = await self._queue.update_message(
                        message, visibility_timeout=round(self._visibility), retry_total=0
                    )
                    message.pop_receipt = renewed.pop_receipt
                    break
                except ResourceNotFoundError:
                    _LOG.warning("a message of %s was taken by another host; its function runs on", self._name)
                    return
                except AzureError as error:
                    _LOG.warning("a message of %s was not renewed: %s", self._name, type(error).__name__)
                if not left:
                    self._life.end(f"a message of {self._name} could not be renewed")
                    return
                await asyncio.sleep(self._life.patience / _RENEWALS)


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
