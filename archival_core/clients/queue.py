"""The storage queue of jobs. Used instead of an output binding, because an event is acknowledged only after its message is in
the queue, and a binding sends when the function has returned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue import QueueMessage, TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient as AzureQueueClient

from archival_core import telemetry
from archival_core.clients import network
from archival_core.errors import AwayError, SettingsError
from archival_core.model.jobs.message import JobMessage

#: A message never expires by itself: a backlog may be older than a week.
_NEVER_EXPIRES = -1
_CONCURRENT_SENDS = 32
#: the most that the service shows at a time; its order is that of sending, roughly
_PEEKED = 32
#: The storage emulator's public account on its usual port.
_EMULATOR = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)
#: in seconds, for an answer: the SDK's own five minutes would be twenty with its retries
_ANSWER_SECONDS = 10.0
#: Short retries: an event that could not be enqueued comes again with the next drain. Waits are in seconds.
_RETRIES: dict[str, Any] = {"retry_total": 3, "initial_backoff": 0.5, "increment_base": 1.5}


class QueueClient:
    """Sends job messages; the functions host receives them."""

    def __init__(self, client: AzureQueueClient, credential: Any = None) -> None:
        self._client = client
        self._credential = credential
        self._dependency = telemetry.Dependency("queue")
        #: as its messages' spans name it
        self.channel = telemetry.Channel("azure_queue_storage", client.queue_name)
        self.poison_channel = telemetry.Channel("azure_queue_storage", f"{client.queue_name}-poison")

    @classmethod
    def open(cls, queue: str, *, connection_string: str | None, service_url: str | None) -> Self:
        """With a connection string, or with the app's identity at `service_url`."""
        options: dict[str, Any] = {
            # a text of any kind is safe in base64, and the SDK does not encode by itself
            "message_encode_policy": TextBase64EncodePolicy(),
            "transport": AioHttpTransport(
                **network.DIRECT, connection_timeout=network.CONNECT_SECONDS, read_timeout=_ANSWER_SECONDS
            ),
            **_RETRIES,
        }
        if connection_string:
            full = connection_string.replace("UseDevelopmentStorage=true", _EMULATOR)  # the SDK does not know the short form
            try:
                return cls(AzureQueueClient.from_connection_string(full, queue, **options))
            except ValueError as error:
                raise SettingsError(f"wrong settings: AzureWebJobsStorage: {error}") from None
        from azure.identity.aio import DefaultAzureCredential

        assert service_url is not None  # Settings refuses neither
        credential = DefaultAzureCredential()
        return cls(AzureQueueClient(service_url, queue, credential=credential, **options), credential)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
        if self._credential is not None:
            await self._credential.close()

    async def ping(self) -> None:
        """Raises `TransientError` when the queue service does not answer; a queue that is not there yet is made."""
        try:
            with suppress(ResourceExistsError):
                await self._client.create_queue()
        except AzureError as error:
            raise _away("does not answer", error) from error

    async def count(self) -> int:
        """Messages in the queue, those in flight included; not fewer than there are, by the service's own account."""
        try:
            with self._dependency.timed("count"):
                return int((await self._client.get_queue_properties()).approximate_message_count or 0)
        except ResourceNotFoundError:
            return 0
        except AzureError as error:
            raise _away("does not answer", error) from error

    async def oldest(self) -> datetime | None:
        """When the oldest of the messages at the head was sent; `None` when none is visible."""
        try:
            with self._dependency.timed("peek"):
                seen = await self._client.peek_messages(max_messages=_PEEKED)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise _away("does not answer", error) from error
        return min((message.inserted_on for message in seen if message.inserted_on), default=None)

    async def send(self, messages: Sequence[JobMessage], *, delay_seconds: float = 0) -> None:
        """Put every message into the queue, visible after `delay_seconds`; returns when all are accepted.

        Raises `TransientError` if any was not; those that were accepted stay, since duplicates are harmless.
        """
        waiting = iter(messages)

        async def sender() -> None:
            for message in waiting:
                with telemetry.about_job(message.job_id), telemetry.produce(self.channel, message.traceparent) as traceparent:
                    await self._send(replace(message, traceparent=traceparent).to_json(), delay_seconds)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_CONCURRENT_SENDS, len(messages))):
                    group.create_task(sender())
        except* AzureError as errors:
            first = errors.exceptions[0]
            raise _away("does not take messages", first) from errors

    async def keep(self, body: str, *, delay_seconds: float) -> None:
        """Put a text into the queue that never expires, visible after a time. Raises `TransientError`."""
        try:
            await self._send(body, delay_seconds)
        except AzureError as error:
            raise _away("does not take messages", error) from error

    async def take(self, count: int, *, hidden_seconds: float) -> list[QueueMessage]:
        """Up to 32 messages with their `content` as it lies in the queue; others see them again after a time."""
        try:
            with self._dependency.timed("receive"):
                pages = self._client.receive_messages(
                    messages_per_page=count, max_messages=count, visibility_timeout=round(hidden_seconds)
                )
                return [message async for message in pages]
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            raise _away("does not answer", error) from error

    async def delete(self, message: QueueMessage) -> None:
        """Delete what was taken, unless somebody else has it by now."""
        try:
            with self._dependency.timed("delete"), suppress(ResourceNotFoundError):
                await self._client.delete_message(message)
        except AzureError as error:
            raise _away("does not answer", error) from error

    async def _send(self, body: str, delay_seconds: float) -> None:
        for may_create in (True, False):
            try:
                with self._dependency.timed("send"):
                    await self._client.send_message(
                        body, visibility_timeout=round(delay_seconds) or None, time_to_live=_NEVER_EXPIRES
                    )
                return
            except ResourceNotFoundError:
                if not may_create:
                    raise
                with suppress(ResourceExistsError):  # another sender may be faster
                    await self._client.create_queue()


def _away(what: str, error: BaseException) -> AwayError:
    return AwayError(f"the queue {what}: {type(error).__name__}", code="queue", dependency="queue")
