"""`python -m dev.lake_emulator --root DIR [--port 0] [--port-file FILE]`: serve until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from dev.lake_emulator.server import serve


async def _run(root: Path, port: int, port_file: Path | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serve(root, port=port) as emulator:
        if port_file:
            # renamed into place: whoever waits for the file never reads half a number
            partial = port_file.with_name(port_file.name + ".partial")
            partial.write_text(str(emulator.port))
            partial.replace(port_file)
        print(emulator.url, flush=True)
        await stopped.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m dev.lake_emulator", description="a local ADLS Gen2 account")
    parser.add_argument("--root", type=Path, required=True, help="folder of the committed files")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--port-file", type=Path, help="the port is written here once it listens")
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.root, arguments.port, arguments.port_file))


if __name__ == "__main__":
    main()
