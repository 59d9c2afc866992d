"""The host: reads its configuration, indexes the app, and runs every trigger until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from aiohttp import web

from dev.functions_host import timers, worker
from dev.functions_host.config import load_local_settings, read_host_config
from dev.functions_host.http import HttpTriggers
from dev.functions_host.queues import QueueListener

_LOG = logging.getLogger("host")


async def run(
    app: Path, *, port: int, message_visibility: float, local_settings: bool, ready_file: Path | None, stopping: asyncio.Event
) -> None:
    """Host the folder `app` on 127.0.0.1 until `stopping` is set. Raises `HostError` for what the real host would refuse."""
    if local_settings:
        load_local_settings(app)
    config = read_host_config(app)
    functions = await worker.index(app)
    schedules = [function for function in functions if function.kind == "timertrigger"]
    for function in schedules:
        timers.check_schedule(function)
    listeners = [
        QueueListener(function, config.queues, message_visibility, config.function_timeout)
        for function in functions
        if function.kind == "queuetrigger"
    ]
    runner = web.AppRunner(HttpTriggers(functions, config).application, access_log=None, shutdown_timeout=5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        _LOG.info("Host started: %s on %s", ", ".join(function.name for function in functions), url)
        if ready_file:
            # renamed into place: whoever waits for the file never reads half an address
            partial = ready_file.with_name(ready_file.name + ".partial")
            partial.write_text(url)
            partial.replace(ready_file)
        async with asyncio.TaskGroup() as triggers:
            for function in schedules:
                triggers.create_task(timers.run(function, config.function_timeout, stopping))
            for listener in listeners:
                triggers.create_task(listener.run(stopping))
            triggers.create_task(stopping.wait())
    finally:
        await runner.cleanup()
        for listener in listeners:
            await listener.close()
