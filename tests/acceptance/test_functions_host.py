"""The development host as a process: a small app of each trigger on a real queue, and the real app's indexing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.storage.queue import QueueClient

from archival_core.functions.http import MANAGED
from dev.servers.processes import Process
from dev.stack.host_defaults import SCHEDULES

ROOT = Path(__file__).parents[2]

APP = """
import os, pathlib
import azure.functions as func
app = func.FunctionApp()

def note(line):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(line + "\\n")

@app.timer_trigger(arg_name="timer", schedule="%TICK%")
async def tick(timer: func.TimerRequest) -> None:
    note(f"tick {timer.past_due}")

@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def take(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    note(f"take {text} {message.dequeue_count}")
    if text == "bad":
        raise ValueError("no")
    if text == "slow":
        import asyncio
        await asyncio.sleep(5)

@app.queue_trigger(arg_name="message", queue_name="%QUEUE%-poison", connection="AzureWebJobsStorage")
async def poison(message: func.QueueMessage) -> None:
    note(f"poison {message.get_body().decode()}")

@app.route(route="things/{name}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def thing(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.route_params["name"] + req.params.get("q", ""), headers={"x-a": "b"})

@app.route(route="open", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def open_route(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.get_body(), status_code=201)
"""


class Host:
    def __init__(self, process: Process, url: str, queue: QueueClient, notes: Path) -> None:
        self.process, self.url, self.queue, self._notes = process, url, queue, notes

    def send(self, text: str) -> None:
        self.queue.send_message(base64.b64encode(text.encode()).decode())

    def notes(self, beginning: str) -> list[str]:
        lines = self._notes.read_text().splitlines() if self._notes.exists() else []
        return [line for line in lines if line.startswith(beginning)]

    def call(self, path: str, **options: Any) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, **options), timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


@contextmanager
def hosted(folder: Path, environment: dict[str, str], *options: str) -> Iterator[tuple[Process, str]]:
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "dev.functions_host", str(folder), "--ready-file", str(ready), *options]
    with Process(command, folder / "host.log", env={**os.environ, **environment}, cwd=ROOT) as process:
        process.wait_until(ready.exists, "the host")
        yield process, ready.read_text()


def prepared(folder: Path, storage_connection: str) -> dict[str, str]:
    """The environment of an app in `folder`."""
    (folder / "function_app.py").write_text(APP)
    queues = {"batchSize": 4, "newBatchThreshold": 2, "maxDequeueCount": 2, "maxPollingInterval": "00:00:01"}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues}}))
    return {
        "NOTES": str(folder / "notes"),
        "QUEUE": f"q-{uuid4().hex[:10]}",
        "TICK": "* * * * * *",
        "AzureWebJobsStorage": storage_connection,
        "LOCAL_FUNCTION_KEY": "key",
        "LOCAL_FUNCTION_KEYS": '{"thing": "of things", "take": "of another"}',
        "LOCAL_MASTER_KEY": "master",
    }


@pytest.fixture
def environment(tmp_path: Path, storage_connection: str) -> dict[str, str]:
    return prepared(tmp_path, storage_connection)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, storage_connection: str) -> Iterator[Host]:
    """For all tests; none of them looks at another's notes."""
    folder = tmp_path_factory.mktemp("host")
    environment = prepared(folder, storage_connection)
    with hosted(folder, environment, "--message-visibility", "2") as (process, url):
        queue = QueueClient.from_connection_string(environment["AzureWebJobsStorage"], environment["QUEUE"])
        queue.create_queue()
        yield Host(process, url, queue, folder / "notes")


def test_a_message_is_taken_once_and_a_failing_one_is_poisoned(host: Host) -> None:
    for text in ("good", "bad", "slow"):
        host.send(text)
    eventually(lambda: host.notes("poison") == ["poison bad"])
    assert host.notes("take good") == ["take good 1"]
    assert host.notes("take bad") == ["take bad 1", "take bad 2"]
    # it runs for longer than it is hidden, so it was renewed, and nobody else has seen it
    eventually(lambda: not list(host.queue.peek_messages()) and not host.queue.get_queue_properties().approximate_message_count)
    assert host.notes("take slow") == ["take slow 1"]


def test_a_message_that_is_not_base64_is_poisoned_at_once(host: Host) -> None:
    host.queue.send_message("{not base64}")
    # the poison function's listener cannot decode it either: no function ever sees it
    eventually(lambda: host.queue.get_queue_properties().approximate_message_count == 0)
    assert host.notes("take {") == []


def test_timers_tick(host: Host) -> None:
    eventually(lambda: len(host.notes("tick False")) >= 2)


def test_routes_methods_and_keys(host: Host) -> None:
    assert host.call("/api/things/a")[0] == 401
    for wrong in ("wrong", "of%20another"):
        assert host.call(f"/api/things/a?code={wrong}")[0] == 401
    assert host.call("/api/things/a?code=key&q=1") == (200, b"a1")
    assert host.call("/api/things/a?code=of%20things&q=1") == (200, b"a1")
    assert host.call("/api/things/a%20b", headers={"x-functions-key": "master"}) == (200, b"a b")
    assert host.call("/api/things/a", method="DELETE")[0] == 405
    assert host.call("/api/open", data=b"body") == (201, b"body")
    assert host.call("/api/nothing")[0] == 404
    assert host.call("/admin/functions/tick", data=b"{}")[0] == 401
    assert host.call("/admin/functions/tick", data=b"{}", headers={"x-functions-key": "master"})[0] == 202


def test_a_stop_is_orderly(tmp_path: Path, environment: dict[str, str]) -> None:
    with hosted(tmp_path, environment) as (process, _):
        process.stop()
        assert process.exit_code == 0


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (
            '@app.route(route="admin/x")\nasync def f(req: func.HttpRequest) -> str: ...',
            "conflicts with one or more built in routes",
        ),
        ('@app.timer_trigger(arg_name="t", schedule="often")\nasync def f(t: func.TimerRequest) -> None: ...', "'often'"),
        ("import nothing_there", "nothing_there"),
    ],
)
def test_a_mistake_in_the_app_is_refused(tmp_path: Path, environment: dict[str, str], line: str, named: str) -> None:
    (tmp_path / "function_app.py").write_text(f"{APP}\n{line}\n")
    assert named in refusal(tmp_path, environment)


@pytest.mark.parametrize("missing", ["QUEUE", "AzureWebJobsStorage"])
def test_a_missing_setting_is_named(tmp_path: Path, environment: dict[str, str], missing: str) -> None:
    del environment[missing]
    assert missing in refusal(tmp_path, environment)


def refusal(folder: Path, environment: dict[str, str]) -> str:
    base = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-m", "dev.functions_host", str(folder)],
        env={**base, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    return done.stderr


INDEX = """
import asyncio, json, pathlib, sys, time
import azure_functions_runtime
from dev.functions_host import worker
started = time.perf_counter()
functions = asyncio.run(worker.index(pathlib.Path.cwd()))
took = time.perf_counter() - started
late = ("pyarrow", "psycopg", "redis", "fastapi", "pydantic", "azure.storage.queue", "adbc_driver_postgresql", "duckdb")
heavy = [module for module in late if module in sys.modules]
print(json.dumps({"functions": [[f.name, dict(f.trigger)] for f in functions], "heavy": heavy, "seconds": took}))
"""


def test_the_app_indexes_with_its_triggers_and_without_heavy_imports() -> None:
    settings = {
        **SCHEDULES,
        "ARCHIVE_QUEUE": "archive-chunks",
        "RESTORE_QUEUE": "restore-chunks",
        "PART_QUEUE": "archive-parts",
        "REMOVAL_QUEUE": "remove-chunks",
        "VERIFY_QUEUE": "verify-archives",
    }
    done = subprocess.run(
        [sys.executable, "-c", INDEX], env={**os.environ, **settings}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    indexed = json.loads(done.stdout.splitlines()[-1])
    print(f"indexed in {indexed['seconds']:.2f} s")
    triggers = {
        name: {key: trigger.get(key) for key in ("type", "schedule", "queueName", "connection", "route", "authLevel")}
        for name, trigger in indexed["functions"]
    }
    unset = dict.fromkeys(("type", "schedule", "queueName", "connection", "route", "authLevel"))
    queue = {"type": "queueTrigger", "connection": "AzureWebJobsStorage"}
    anonymous, keyed = ({"type": "httpTrigger", "authLevel": level} for level in ("ANONYMOUS", "FUNCTION"))
    assert triggers == {
        "drain_events": {**unset, "type": "timerTrigger", "schedule": "*/15 * * * * *"},
        "commit_tables": {**unset, "type": "timerTrigger", "schedule": "20 * * * * *"},
        "remove_chunks": {**unset, "type": "timerTrigger", "schedule": "0 */5 * * * *"},
        "verify_archives": {**unset, "type": "timerTrigger", "schedule": "0 */15 * * * *"},
        "reconcile": {**unset, "type": "timerTrigger", "schedule": "30 */5 * * * *"},
        "archive_chunk": {**unset, **queue, "queueName": "archive-chunks"},
        "archive_chunk_poison": {**unset, **queue, "queueName": "archive-chunks-poison"},
        "archive_part": {**unset, **queue, "queueName": "archive-parts"},
        "archive_part_poison": {**unset, **queue, "queueName": "archive-parts-poison"},
        "restore_chunk": {**unset, **queue, "queueName": "restore-chunks"},
        "restore_chunk_poison": {**unset, **queue, "queueName": "restore-chunks-poison"},
        "remove_chunk": {**unset, **queue, "queueName": "remove-chunks"},
        "remove_chunk_poison": {**unset, **queue, "queueName": "remove-chunks-poison"},
        "verify_archive": {**unset, **queue, "queueName": "verify-archives"},
        "verify_archive_poison": {**unset, **queue, "queueName": "verify-archives-poison"},
        "health": {**unset, **anonymous, "route": "health/{probe}"},
        "metrics": {**unset, **keyed, "route": "metrics"},
        "dashboard": {**unset, **anonymous, "route": "dashboard"},
        "dashboard_files": {**unset, **anonymous, "route": "dashboard/static/{version}/{*file}"},
        "dashboard_data": {**unset, **keyed, "route": "dashboard/{view}"},
        "management": {**unset, **keyed, "route": f"{{resource:regex(^({'|'.join(MANAGED)})$)}}/{{*rest}}"},
        "management_read": {**unset, **keyed, "route": f"{{resource:regex(^({'|'.join(MANAGED)})$)}}/{{*rest}}"},
    }
    # what takes long to import waits for the first invocation
    assert indexed["heavy"] == []
