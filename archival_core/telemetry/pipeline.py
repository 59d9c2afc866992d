"""From instruments to an exporter, flushed at the end of each invocation.

An exporter is never trusted: it works in threads of its own, an invocation waits for it no longer than `PATIENCE` seconds, and
once it was late nobody does until it is prompt again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent import futures
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from archival_core.telemetry import events, instruments, spans
from archival_core.telemetry.logs import ExportHandler

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

_LOG = logging.getLogger(__name__)
_SCOPE: Final = "archival_core"
#: how long an invocation, or the end of the process, waits for telemetry to be sent, in seconds
PATIENCE: Final = 0.8


class Pipeline:
    """The providers of one process."""

    def __init__(self, traces: TracerProvider, logs: LoggerProvider, metrics: MeterProvider) -> None:
        self._traces, self._logs, self._metrics = traces, logs, metrics
        self._handler = ExportHandler(logs.get_logger(_SCOPE))
        self._last: futures.Future[None] | None = None
        #: whether the last flush that ended took no longer than is waited; one that is late once is not waited for again
        self._is_prompt = True

    def attach(self) -> None:
        """Record with it from now on."""
        spans.use(self._traces.get_tracer(_SCOPE))
        instruments.use(self._metrics.get_meter(_SCOPE))
        events.use(self._logs.get_logger(_SCOPE))
        self._handler.attach()

    def detach(self) -> None:
        """Record nothing any more, and send what is left, as far as `PATIENCE` goes."""
        spans.use(None)
        instruments.use(None)
        events.use(None)
        self._handler.detach()
        futures.wait([_in_daemon(self._shut_down)], PATIENCE)

    async def flush(self, *, wait: bool) -> bool:
        """Send what was recorded; false if that was not done in time."""
        deadline = time.monotonic() + (PATIENCE if wait and self._is_prompt else 0.0)
        if self._last is not None and not await _done(self._last, deadline):
            return False
        # the last one may have left out what was recorded while it was under way
        self._last = _in_daemon(self._send)
        if not await _done(self._last, deadline):
            self._is_prompt = self._is_prompt and not wait
            return False
        return True

    def _send(self) -> None:
        began = time.monotonic()
        for provider in (self._traces, self._logs, self._metrics):
            provider.force_flush()
        self._is_prompt = time.monotonic() - began < PATIENCE

    def _shut_down(self) -> None:
        self._traces.shutdown()
        self._logs.shutdown()
        self._metrics.shutdown()


def _in_daemon(work: Callable[[], None]) -> futures.Future[None]:
    """Run `work` in a thread that the end of the process does not wait for, as it would for one of an executor."""
    future = futures.Future[None]()

    def run() -> None:
        try:
            work()
        except Exception as error:
            _LOG.warning("telemetry was not sent: %s", type(error).__name__)
        # a loop that waited and is closed by now does not want to know
        with suppress(RuntimeError):
            future.set_result(None)

    threading.Thread(target=run, name="telemetry-flush", daemon=True).start()
    return future


async def _done(work: futures.Future[None], deadline: float) -> bool:
    if not work.done() and (left := deadline - time.monotonic()) > 0:
        await asyncio.wait([asyncio.wrap_future(work)], timeout=left)
    return work.done()
