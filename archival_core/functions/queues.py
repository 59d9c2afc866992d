"""Queue-triggered functions: one message, one chunk."""

from __future__ import annotations

import logging

import azure.functions as func

_LOG = logging.getLogger(__name__)


def blueprint() -> func.Blueprint:
    """`archive_chunk` and `archive_chunk_poison`."""
    queues = func.Blueprint()  # type: ignore[no-untyped-call]

    @queues.queue_trigger(arg_name="message", queue_name="%ARCHIVE_QUEUE%", connection="AzureWebJobsStorage")
    async def archive_chunk(message: func.QueueMessage) -> None:
        from archival_core import runtime
        from archival_core.model.message import JobMessage

        # what raises goes back to the queue, and after maxDequeueCount to the poison queue
        await runtime.get().archival_processor.process(JobMessage.from_json(message.get_body().decode()))

    @queues.queue_trigger(arg_name="message", queue_name="%ARCHIVE_QUEUE%-poison", connection="AzureWebJobsStorage")
    async def archive_chunk_poison(message: func.QueueMessage) -> None:
        from archival_core import runtime
        from archival_core.errors import PermanentError
        from archival_core.model.message import JobMessage

        services = runtime.get()
        text = message.get_body().decode(errors="replace")
        try:
            job = JobMessage.from_json(text)
        except PermanentError as error:
            _LOG.error("a poisoned message goes to the dead stream: %s", error)
            await services.messaging.bury_message(text, str(error))
            return
        await services.archival_processor.give_up(job)

    return queues
