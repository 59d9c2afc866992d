"""`python -m dev.functions_host APP [--port 0] [--ready-file FILE]`: host a function app until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from dev.functions_host import host
from dev.functions_host.errors import HostError
from dev.functions_host.life import Life

_STARTED_IN = Path.cwd()
#: `trace_id` and `job_id` are there if the app gives its records such fields
_LOG_LINE = "%(asctime)s %(levelname)s %(name)s trace=%(trace_id)s job=%(job_id)s: %(message)s"


async def _run(arguments: argparse.Namespace) -> None:
    life = Life(patience=arguments.patience)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, life.stopping.set)
    options = host.Options(
        port=arguments.port,
        message_visibility=arguments.message_visibility,
        timer_lease=arguments.timer_lease,
        state=arguments.state and arguments.state.resolve(),
        local_settings=not arguments.no_local_settings,
        ready_file=arguments.ready_file and arguments.ready_file.resolve(),
    )
    port = await host.run(arguments.app.resolve(), options, life)
    if life.reason:
        logging.getLogger("host").error("The host begins anew: %s", life.reason)
        # from within: what still runs must not be cancelled, and so get the time to tidy up
        _begin_anew(port)


def _begin_anew(port: int) -> None:
    """As the platform does with a host that has ended, or a worker: whatever still runs in this process is gone."""
    command = [argument for argument in sys.argv[1:] if not argument.startswith("--port=")]
    while "--port" in command:
        del command[command.index("--port") : command.index("--port") + 2]
    os.chdir(_STARTED_IN)
    os.execv(sys.executable, [sys.executable, "-m", "dev.functions_host", *command, "--port", str(port)])  # noqa: S606


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
    parser.add_argument(
        "--timer-lease", type=float, default=60, metavar="SECONDS", help="how long a host has a timer without renewing it"
    )
    parser.add_argument(
        "--patience", type=float, default=25, metavar="SECONDS", help="how long storage may be away until the host begins anew"
    )
    parser.add_argument("--state", type=Path, metavar="FOLDER", help="what hosts of one app share about their timers")
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
