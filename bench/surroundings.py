"""What the service has around it in the bench: a Redis and a lake of its own, and its settings."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from dev.lake_emulator import DEFAULT_ACCOUNT, DEFAULT_KEY
from dev.servers.postgres import PostgresServer
from dev.servers.processes import Process
from dev.servers.valkey import ValkeyServer
from dev.stack.host_defaults import FLAT_MEMORY
from dev.stack.state import ROOT


def surroundings(stack: ExitStack, server: PostgresServer, folder: Path) -> dict[str, str]:
    """Start them in `folder` until the end of `stack`; returns the environment of a process of the service."""
    redis = stack.enter_context(ValkeyServer(folder / "valkey"))
    port_file, root = folder / "lake.port", folder / "lake"
    port_file.unlink(missing_ok=True)
    root.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "dev.lake_emulator", "--root", str(root), "--port-file", str(port_file)]
    lake = stack.enter_context(Process(command, folder / "lake.log", cwd=ROOT))
    lake.wait_until(port_file.exists, "the lake emulator")
    return {
        **os.environ,
        **FLAT_MEMORY,
        "SOURCE_DATABASE_URL": server.url,
        "REDIS_URL": redis.url,
        "LAKE_URL": f"http://127.0.0.1:{port_file.read_text()}/{DEFAULT_ACCOUNT}/bench",
        "LAKE_ACCOUNT_KEY": DEFAULT_KEY,
        # no message is sent: the job is processed directly
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    }
