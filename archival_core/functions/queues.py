"""Queue-triggered functions: one message, one chunk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import azure.functions as func

from archival_core.functions.observed import observed

if TYPE_CHECKING:
    from archival_core.model.message import JobMessage
    from archival_core.runtime import Runtime

_LOG = logging.getLogger(__name__)


def blueprint() -> func.Blueprint:
    """`archive_chunk` and `restore_chunk`, each with the one that takes the messages which were delivered too often."""
    queues = func.Blueprint()  # type: ignore[no-untyped-call]

    # what raises goes back to its queue, and after maxDequeueCount to the poison queue

    @queues.queue_trigger(arg_name="message", queue_name="%ARCHIVE_QUEUE%", connection="AzureWebJobsStorage")
    async def archive_chunk(message: func.QueueMessage) -> None:
        async with observed():
            await _runtime().archival_processor.process(_read(message))

    @queues.queue_trigger(arg_name="message", queue_name="%ARCHIVE_QUEUE%-poison", connection="AzureWebJobsStorage")
    async def archive_chunk_poison(message: func.QueueMessage) -> None:
        async with observed():
            await _give_up(message, restores=False)

    @queues.queue_trigger(arg_name="message", queue_name="%RESTORE_QUEUE%", connection="AzureWebJobsStorage")
    async def restore_chunk(message: func.QueueMessage) -> None:
        async with observed():
            await _runtime().restore_processor.process(_read(message))

    @queues.queue_trigger(arg_name="message", queue_name="%RESTORE_QUEUE%-poison", connection="AzureWebJobsStorage")
    async def restore_chunk_poison(message: func.QueueMessage) -> None:
        async with observed():
            await _give_up(message, restores=True)

    return queues


async def _give_up(message: func.QueueMessage, *, restores: bool) -> None:
    from archival_core.errors import PermanentError

    services = _runtime()
    processor = services.restore_processor if restores else services.archival_processor
    try:
        await processor.give_up(_read(message))
    except PermanentError as error:
        # nothing in the ledger will ever know of it
        _LOG.error("a poisoned message goes to the dead stream: %s", error)
        await services.messaging.bury_message(message.get_body().decode(errors="replace"), f"{error.code}: {error}")


def _read(message: func.QueueMessage) -> JobMessage:
    from archival_core.model.message import JobMessage

    return JobMessage.from_json(message.get_body().decode(errors="replace"))


def _runtime() -> Runtime:
    from archival_core import runtime

    return runtime.get()
