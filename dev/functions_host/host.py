"""The host: reads its configuration, indexes the app, and runs every trigger until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from dev.functions_host import timers, worker
from dev.functions_host.config import load_local_settings, read_host_config
from dev.functions_host.http import HttpTriggers
from dev.functions_host.leases import TimerLease
from dev.functions_host.life import Life
from dev.functions_host.queues import QueueListener

_LOG = logging.getLogger("host")


@dataclass(frozen=True, slots=True)
class Options:
    """How this host differs from the cloud's, so that a person or a test need not wait; times in seconds."""

    port: int
    message_visibility: float
    timer_lease: float
    #: what hosts of one app share about its timers; `None` for a host that is alone
    state: Path | None
    local_settings: bool
    ready_file: Path | None


async def run(app: Path, options: Options, life: Life) -> int:
    """Host the folder `app` on 127.0.0.1 until it ends, and return the port. Raises `HostError` for what the cloud refuses."""
    if options.local_settings:
        load_local_settings(app)
    config = read_host_config(app)
    functions = await worker.index(app)
    schedules = [function for function in functions if function.kind == "timertrigger"]
    for function in schedules:
        timers.check_schedule(function)
    listeners = [
        QueueListener(function, config.queues, options.message_visibility, config.function_timeout, life)
        for function in functions
        if function.kind == "queuetrigger"
    ]
    runner = web.AppRunner(HttpTriggers(functions, config, life).application, access_log=None, shutdown_timeout=5)
    await runner.setup()
    with ExitStack() as stack:
        state = options.state or Path(stack.enter_context(TemporaryDirectory(prefix="functions-host-")))
        try:
            await web.TCPSite(runner, "127.0.0.1", options.port).start()
            port = int(runner.addresses[0][1])
            _announce(functions, f"http://127.0.0.1:{port}", options.ready_file)
            async with asyncio.TaskGroup() as triggers:
                for function in schedules:
                    lease = TimerLease(state, function.name, options.timer_lease)
                    triggers.create_task(timers.run(function, config.function_timeout, lease, life))
                for listener in listeners:
                    triggers.create_task(listener.listen())
                triggers.create_task(life.stopping.wait())
        finally:
            await runner.cleanup()
            for listener in listeners:
                await listener.close()
    return port


def _announce(functions: list[worker.Function], url: str, ready_file: Path | None) -> None:
    _LOG.info("Host started: %s on %s", ", ".join(function.name for function in functions), url)
    if ready_file:
        # renamed into place: whoever waits for the file never reads half an address
        partial = ready_file.with_name(ready_file.name + ".partial")
        partial.write_text(url)
        partial.replace(ready_file)
