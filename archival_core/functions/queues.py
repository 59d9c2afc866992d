"""Queue-triggered functions: one message, one chunk or one archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from archival_core.functions.observed import observed

if TYPE_CHECKING:
    from archival_core.model.jobs.message import JobMessage
    from archival_core.runtime import Runtime


def blueprint() -> func.Blueprint:
    """`archive_chunk`, `archive_part`, `restore_chunk`, `remove_chunk` and `verify_archive`, each with one for what was
    delivered too often.
    """
    queues = func.Blueprint()  # type: ignore[no-untyped-call]

    # what raises goes back to its queue, and after maxDequeueCount to the poison queue

    @queues.queue_trigger(arg_name="message", queue_name="%ARCHIVE_QUEUE%", connection="AzureWebJobsStorage")
    async def archive_chunk(message: func.QueueMessage) -> None:
        async with observed():
            await _runtime().archival_processor.process(_read(message))

    @queues.queue_trigger(arg_name="message", queue_name="%ARCHIVE_QUEUE%-poison", connection="AzureWebJobsStorage")
    async def archive_chunk_poison(message: func.QueueMessage) -> None:
        async with observed():
            await _runtime().poisoned_archives.settle(_text(message))

    @queues.queue_trigger(arg_name="message", queue_name="%PART_QUEUE%", connection="AzureWebJobsStorage")
    async def archive_part(message: func.QueueMessage) -> None:
        async with observed("archive_part", "pubsub"):
            services = _runtime()
            await services.sharing_parts.help(_read(message), services.settings.job_time_budget)

    @queues.queue_trigger(arg_name="message", queue_name="%PART_QUEUE%-poison", connection="AzureWebJobsStorage")
    async def archive_part_poison(message: func.QueueMessage) -> None:
        async with observed("archive_part_poison", "pubsub"):
            await _runtime().poisoned_parts.settle(_text(message))

    @queues.queue_trigger(arg_name="message", queue_name="%RESTORE_QUEUE%", connection="AzureWebJobsStorage")
    async def restore_chunk(message: func.QueueMessage) -> None:
        async with observed():
            await _runtime().restore_processor.process(_read(message))

    @queues.queue_trigger(arg_name="message", queue_name="%RESTORE_QUEUE%-poison", connection="AzureWebJobsStorage")
    async def restore_chunk_poison(message: func.QueueMessage) -> None:
        async with observed():
            await _runtime().poisoned_restores.settle(_text(message))

    @queues.queue_trigger(arg_name="message", queue_name="%REMOVAL_QUEUE%", connection="AzureWebJobsStorage")
    async def remove_chunk(message: func.QueueMessage) -> None:
        async with observed("remove_chunk", "pubsub"):
            await _runtime().chunk_removal.help(_read(message))

    @queues.queue_trigger(arg_name="message", queue_name="%REMOVAL_QUEUE%-poison", connection="AzureWebJobsStorage")
    async def remove_chunk_poison(message: func.QueueMessage) -> None:
        async with observed("remove_chunk_poison", "pubsub"):
            await _runtime().poisoned_removals.settle(_text(message))

    @queues.queue_trigger(arg_name="message", queue_name="%VERIFY_QUEUE%", connection="AzureWebJobsStorage")
    async def verify_archive(message: func.QueueMessage) -> None:
        async with observed("verify_archive", "pubsub"):
            services = _runtime()
            await services.verification.help(_read(message), services.settings.job_time_budget)

    @queues.queue_trigger(arg_name="message", queue_name="%VERIFY_QUEUE%-poison", connection="AzureWebJobsStorage")
    async def verify_archive_poison(message: func.QueueMessage) -> None:
        async with observed("verify_archive_poison", "pubsub"):
            await _runtime().poisoned_verifications.settle(_text(message))

    return queues


def _read(message: func.QueueMessage) -> JobMessage:
    from archival_core.model.jobs.message import JobMessage

    return JobMessage.from_text(_text(message))


def _text(message: func.QueueMessage) -> str:
    return message.get_body().decode(errors="replace")


def _runtime() -> Runtime:
    from archival_core import runtime

    return runtime.get()
