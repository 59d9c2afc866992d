"""Small function apps on the development host."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from azure.storage.queue import QueueClient

from dev.servers.processes import Process, free_port

ROOT = Path(__file__).parents[2]

#: What each app begins with: `note` writes down what has happened, with the process and the time.
NOTES = """
import asyncio, os, time
import azure.functions as func
app = func.FunctionApp()

def note(line):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{os.getpid()} {time.time()} {line}\\n")
"""


@dataclass(frozen=True, slots=True)
class Note:
    """What a function wrote down."""

    process: int
    at: float
    text: str


@dataclass
class App:
    """A folder with an app, and a queue of its own."""

    folder: Path
    environment: dict[str, str]
    queue: QueueClient

    def notes(self, beginning: str = "") -> list[Note]:
        """In their order."""
        file = Path(self.environment["NOTES"])
        lines = [line.split(" ", 2) for line in file.read_text().splitlines()] if file.exists() else []
        return [Note(int(pid), float(at), text) for pid, at, text in lines if text.startswith(beginning)]

    def send(self, text: str) -> None:
        """A message as `host.json` wants it."""
        self.queue.send_message(base64.b64encode(text.encode()).decode())

    @contextmanager
    def host(self, *options: str) -> Iterator[Process]:
        """Run a host until the end of the context."""
        name = uuid4().hex[:8]
        ready = self.folder / f"{name}.ready"
        settled = ["--ready-file", str(ready), "--port", str(free_port()), *options]
        command = [sys.executable, "-m", "dev.functions_host", str(self.folder), *settled]
        log = self.folder / f"{name}.log"
        with Process(command, log, env={**os.environ, **self.environment}, cwd=ROOT) as process:
            process.wait_until(ready.exists, "the host")
            yield process


def small_app(folder: Path, functions: str, connection: str, *, timeout: str = "00:30:00") -> App:
    """An app of these functions, whose queue is named by the setting `QUEUE`: two deliveries, one second after a failure."""
    (folder / "function_app.py").write_text(NOTES + functions)
    queues = {
        "batchSize": 4,
        "newBatchThreshold": 2,
        "maxDequeueCount": 2,
        "maxPollingInterval": "00:00:01",
        "visibilityTimeout": "00:00:01",
    }
    document = {"version": "2.0", "functionTimeout": timeout, "extensions": {"queues": queues}}
    (folder / "host.json").write_text(json.dumps(document))
    name = f"q-{uuid4().hex[:10]}"
    queue = QueueClient.from_connection_string(connection, name)
    queue.create_queue()
    return App(folder, {"NOTES": str(folder / "notes"), "QUEUE": name, "AzureWebJobsStorage": connection}, queue)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for it; fails when it has not come to pass in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
