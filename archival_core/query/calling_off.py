"""Questions that can be called off while they are answered, by the ids that those who ask them have given."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from archival_core.errors import PermanentError


class CallingOff:
    """Questions of one event loop."""

    def __init__(self) -> None:
        self._answering: dict[UUID, asyncio.Task[Any]] = {}

    async def answered[T](self, question: UUID | None, answer: Coroutine[Any, Any, T]) -> T:
        """What `answer` gives; raises `PermanentError` (`query-called-off`) where the question is called off meanwhile."""
        task = asyncio.create_task(answer)
        if question is not None:
            # who asks again waits for the former answer no more
            self.call_off(question)
            self._answering[question] = task
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            raise PermanentError("the question was called off", code="query-called-off") from None
        finally:
            if question is not None and self._answering.get(question) is task:
                del self._answering[question]

    def call_off(self, question: UUID) -> bool:
        """End the answer to the question; whether it is being answered here."""
        task = self._answering.pop(question, None)
        return task is not None and task.cancel()
