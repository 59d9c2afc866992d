"""Messages that were delivered too often, or that nobody can read.

The functions host moves such messages into a poison queue, where each expires after seven days. Nothing is left to expire
there: the ledger or the dead stream takes note of each message, or the message is sent again, without an end, until one of
both can.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from archival_core import telemetry
from archival_core.clients.queue import QueueClient
from archival_core.clients.redis.messaging import MessagingClient
from archival_core.errors import PermanentError
from archival_core.model.jobs.message import JobMessage, body

_LOG = logging.getLogger(__name__)

#: seconds until a message that could not be settled comes again
_LATER_SECONDS: Final = 600.0
_TAKEN_AT_A_TIME: Final = 32


class PoisonedMessages:
    """The poison queue of one kind of jobs."""

    def __init__(
        self, queue: QueueClient, give_up: Callable[[JobMessage], Awaitable[None]], messaging: MessagingClient
    ) -> None:
        self._queue, self._give_up, self._messaging = queue, give_up, messaging

    async def settle(self, raw: str) -> None:
        """Let the message's job fail or get another message; a message that names no job goes to the dead stream.

        Returns when the message may be deleted. If it cannot be settled now, it is in the queue once more, and never
        expires.
        """
        try:
            await self._settle(raw)
        except Exception as error:
            # The ledger or Redis may be away, or this is a defect. In either case nobody else knows of the message.
            _LOG.exception("a poisoned message comes again later: %s", type(error).__name__)
            await self._queue.keep(body(raw), delay_seconds=_LATER_SECONDS)

    async def sweep(self, deadline: float) -> int:
        """Settle the messages of a queue whose function is disabled or ends too soon; returns how many.

        `deadline` is a time of `time.monotonic`. Raises what keeps a message from being settled; the message comes again
        later.
        """
        settled = 0
        while time.monotonic() < deadline:
            messages = await self._queue.take(_TAKEN_AT_A_TIME, hidden_seconds=_LATER_SECONDS)
            for message in messages:
                try:
                    await self._settle(message.content)
                except Exception:
                    await self._queue.keep(body(message.content), delay_seconds=_LATER_SECONDS)
                    await self._queue.delete(message)
                    raise
                await self._queue.delete(message)
                settled += 1
            if not messages:
                break
        return settled

    async def _settle(self, raw: str) -> None:
        try:
            await self._give_up(JobMessage.from_text(raw))
        except PermanentError as error:
            # nothing in the ledger will ever know of this message
            _LOG.error("a poisoned message goes to the dead stream: %s", error)
            await self._messaging.bury_message(body(raw), f"{error.code}: {error}")
            telemetry.event("archival.message.buried", error_code=error.code)
