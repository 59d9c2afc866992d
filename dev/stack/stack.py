"""Starts what is not given from outside, in order, and stops it in the opposite order."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from dev.lake_emulator import DEFAULT_ACCOUNT, DEFAULT_KEY
from dev.servers.azurite import AzuriteServer
from dev.servers.postgres import PostgresServer
from dev.servers.processes import Process
from dev.servers.valkey import ValkeyServer
from dev.stack.host import HostProcess
from dev.stack.host_defaults import FLAT_MEMORY
from dev.stack.owner import disown, disown_ledger
from dev.stack.reader import READER, ensure_reader
from dev.stack.state import ROOT, State

_FILESYSTEM = "archive"
#: Quick to try: what takes minutes in the cloud takes seconds here.
_LOCAL_SETTINGS = {
    "DRAIN_SCHEDULE": "* * * * * *",
    "COMMIT_SCHEDULE": "*/3 * * * * *",
    "REMOVAL_SCHEDULE": "*/2 * * * * *",
    "VERIFY_SCHEDULE": "*/10 * * * * *",
    "RECONCILE_SCHEDULE": "*/5 * * * * *",
    "JOB_LEASE": "PT10S",
    "ARCHIVE_QUEUE": "archive-chunks",
    "RESTORE_QUEUE": "restore-chunks",
    "PART_QUEUE": "archive-parts",
    "REMOVAL_QUEUE": "remove-chunks",
    "VERIFY_QUEUE": "verify-archives",
    "TELEMETRY_EXPORTER": "none",
    **FLAT_MEMORY,
}
_STORAGE = ("AzureWebJobsStorage", "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__accountName")


class Stack:
    """The servers run while the context is open; `host.start()` adds the function app.

    `given` are settings that replace embedded parts and local defaults. With `fresh`, what an earlier run left in the embedded
    Redis, queue and lake is removed; PostgreSQL's data stay. With `core_tools` the host is Microsoft's `func start`; with
    `package`, the folder of an unpacked package, the app is that one.
    """

    def __init__(
        self,
        state: State,
        given: Mapping[str, str],
        *,
        fresh: bool = False,
        core_tools: bool = False,
        package: Path | None = None,
    ) -> None:
        self._state, self._given, self._fresh, self._core_tools, self._package = state, given, fresh, core_tools, package
        self._stack = ExitStack()
        self._settings: dict[str, str] = {}
        #: the lake as plain files; `None` for a lake given from outside
        self.lake_folder: Path | None = None
        self.host: HostProcess

    def __enter__(self) -> Self:
        with self._stack as stack:
            stack.enter_context(self._state.locked())
            if self._fresh:
                for folder in (self._state.servers / "valkey", self._state.servers / "azurite", self._state.lake):
                    shutil.rmtree(folder, ignore_errors=True)
            self._settings = {**_LOCAL_SETTINGS, **self._given, **self._start_servers(stack)}
            keys = {"LOCAL_FUNCTION_KEY": secrets.token_urlsafe(24), "LOCAL_MASTER_KEY": secrets.token_urlsafe(24)}
            environment, log = {**os.environ, **self._settings, **keys}, self._state.logs / "host.log"
            self.host = HostProcess(environment, log, core_tools=self._core_tools, package=self._package)
            stack.callback(self.host.stop)
            self.addresses: dict[str, str | None] = {
                "redis_url": self._settings["REDIS_URL"],
                "source_database_url": self._settings["SOURCE_DATABASE_URL"],
                "ledger_database_url": self._settings.get("LEDGER_DATABASE_URL") or self._settings["SOURCE_DATABASE_URL"],
                "lake_url": self._settings["LAKE_URL"],
                "lake_dir": str(self.lake_folder) if self.lake_folder else None,
                "storage_connection": self._settings.get("AzureWebJobsStorage"),
                "api_url": f"{self.host.url}/api",
                "function_key": keys["LOCAL_FUNCTION_KEY"],
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _start_servers(self, stack: ExitStack) -> dict[str, str]:
        """Start each part that is not given; the settings that lead to them."""
        servers, found = self._state.servers, dict[str, str]()
        if not self._given.get("SOURCE_DATABASE_URL"):
            found["SOURCE_DATABASE_URL"] = stack.enter_context(PostgresServer(servers / "postgres", kept=True)).url
            disown_ledger(found["SOURCE_DATABASE_URL"])
            ensure_reader(found["SOURCE_DATABASE_URL"])
            found["QUERY_ROLE"] = self._given.get("QUERY_ROLE") or READER
        if not self._given.get("REDIS_URL"):
            found["REDIS_URL"] = stack.enter_context(ValkeyServer(servers / "valkey")).url
        if not any(self._given.get(name) for name in _STORAGE):
            azurite = AzuriteServer(servers / "azurite", complete=self._core_tools)
            found["AzureWebJobsStorage"] = stack.enter_context(azurite).connection_string
        if not self._given.get("LAKE_URL"):
            found["LAKE_URL"] = f"http://127.0.0.1:{self._start_lake(stack)}/{DEFAULT_ACCOUNT}/{_FILESYSTEM}"
            found["LAKE_ACCOUNT_KEY"] = DEFAULT_KEY
            self.lake_folder = self._state.lake / _FILESYSTEM
            disown(self.lake_folder)
        return found

    def _start_lake(self, stack: ExitStack) -> int:
        """The emulator's port."""
        port_file = self._state.logs / "lake.port"
        port_file.parent.mkdir(parents=True, exist_ok=True)
        port_file.unlink(missing_ok=True)
        self._state.lake.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "dev.lake_emulator", "--root", str(self._state.lake), "--port-file", str(port_file)]
        lake = stack.enter_context(Process(command, self._state.logs / "lake.log", cwd=ROOT))
        lake.wait_until(port_file.exists, "the lake emulator")
        return int(port_file.read_text())
