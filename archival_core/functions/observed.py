"""What every invocation does about telemetry: record it, and send it before the host may end the process."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def observed(function: str | None = None, trigger: str = "timer") -> AsyncIterator[None]:
    """Record what happens inside, and have it sent at the end, within a second; who asks by HTTP does not wait for that.

    With a name it is a span of its own. A message has its span where its job is known, in the trace of whoever asked for it.
    Nothing that is wrong with telemetry keeps a function from its work.
    """
    from archival_core import settings, telemetry

    # first of all: what is wrong with the settings is logged too
    telemetry.prepare_records()
    try:
        telemetry.configure(settings.load())
    except Exception as error:
        # there may be no other place where this is seen: the host of Flex Consumption has no log to look at
        with suppress(Exception):
            telemetry.configure(settings.exporter_alone())
        _LOG.error("the app does nothing until its settings are right: %s", error)
    try:
        with ExitStack() as stack:
            if function is not None:
                stack.enter_context(telemetry.invocation(function, trigger))
            yield
    finally:
        await telemetry.flush(wait=trigger != "http")
