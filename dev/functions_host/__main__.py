"""`python -m dev.functions_host APP [--port 0] [--ready-file FILE]`: host a function app until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from dev.functions_host import host
from dev.functions_host.errors import HostError

#: `trace_id` and `job_id` are there if the app gives its records such fields
_LOG_LINE = "%(asctime)s %(levelname)s %(name)s trace=%(trace_id)s job=%(job_id)s: %(message)s"


async def _run(arguments: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await host.run(
        arguments.app.resolve(),
        port=arguments.port,
        message_visibility=arguments.message_visibility,
        local_settings=not arguments.no_local_settings,
        ready_file=arguments.ready_file and arguments.ready_file.resolve(),
        stopping=stopping,
    )


def main() -> None:
    """Read the command line and host."""
    parser = argparse.ArgumentParser(prog="python -m dev.functions_host", description="a development host for a function app")
    parser.add_argument("app", type=Path, help="folder with function_app.py and host.json")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--ready-file", type=Path, help="the host's URL is written here once everything listens")
    parser.add_argument("--no-local-settings", action="store_true", help="leave local.settings.json unread")
    parser.add_argument(
        "--message-visibility",
        type=float,
        default=600,
        metavar="SECONDS",
        help="how long a message in flight is hidden; 600 like the real host, less to see a killed host's messages sooner",
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logging.Formatter(_LOG_LINE, defaults={"trace_id": "", "job_id": ""}))
    for name in ("azure", "azure_functions_runtime"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        asyncio.run(_run(arguments))
    except HostError as error:
        sys.exit(f"The host does not start. {error}")
    except OSError as error:
        sys.exit(f"The host does not start on port {arguments.port}: {error.strerror}")
    finally:
        # a host just ends: that the app's clients were open until then is no news
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    main()
