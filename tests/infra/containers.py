"""`az container …` without Azure. What a container is told to run is run here, in the environment that the container is given.

Run as a script by a test's `az`: `containers.py FOLDER container create …`. The folder keeps what there is, and every call.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

AZ = """  container*) exec {python} {script} {folder} "$@" ;;\n"""


def branch(folder: Path) -> str:
    """For the `case "$*" in` of a test's `az`."""
    return AZ.format(python=sys.executable, script=Path(__file__), folder=folder)


def calls(folder: Path) -> list[list[str]]:
    """What `az` was asked, in order."""
    told = folder / "calls"
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


def left(folder: Path) -> bool:
    """Whether there is a container still."""
    return (folder / "container").exists()


def option(call: Sequence[str], name: str) -> list[str]:
    """The values of one option."""
    rest = call[call.index(name) + 1 :]
    end = next((i for i, value in enumerate(rest) if value.startswith("-")), len(rest))
    return list(rest[:end])


def main(folder: Path, call: list[str]) -> int:
    folder.mkdir(exist_ok=True)
    with (folder / "calls").open("a") as told:
        told.write(json.dumps(call) + "\n")
    container = folder / "container"
    match call[1]:
        case "create":
            given = option(call, "--environment-variables") + option(call, "--secure-environment-variables")
            # where a test's server is, and its tools
            environment = {name: os.environ[name] for name in ("PATH", "PGPORT", "TOLD") if name in os.environ}
            environment |= dict(value.split("=", 1) for value in given)
            [command] = option(call, "--command-line")
            done = subprocess.run(shlex.split(command), env=environment, capture_output=True, text=True)
            container.write_text(
                json.dumps({"logs": done.stdout + done.stderr, "exitCode": done.returncode, "state": "Terminated"})
            )
        case _ if not container.exists():
            return 3
        case "show":
            print(json.loads(container.read_text())[option(call, "--query")[0].rpartition(".")[2]])
        case "logs":
            print(json.loads(container.read_text())["logs"])
        case "delete":
            container.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
