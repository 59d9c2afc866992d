"""The development host delivers messages, and goes on after failures, as the real one was seen to do. Times are shorter."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueClient

from tests.kit.hosted_apps import App, eventually, small_app

TAKE = """
@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def take(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    note(f"begin {text[:20]!r} {len(text)} {message.dequeue_count}")
    if text == "bad":
        raise ValueError("no")
    if text.startswith("slow"):
        await asyncio.sleep(float(text.split()[1]))
    note(f"end {text[:20]!r} {len(text)} {message.dequeue_count}")
"""
OTHER = """
@app.queue_trigger(arg_name="message", queue_name="%OTHER%", connection="AzureWebJobsStorage")
async def other(message: func.QueueMessage) -> None:
    note(f"other {message.dequeue_count}")
    if os.environ.get("OTHER_FAILS"):
        raise ValueError("no")
"""
TICK = """
@app.timer_trigger(arg_name="timer", schedule="{schedule}")
async def tick(timer: func.TimerRequest) -> None:
    note(f"begin {{timer.past_due}}")
    raise ValueError("no")
"""


def queue_beside(app: App, setting: str, ending: str) -> QueueClient:
    """One more queue, whose name the setting has."""
    app.environment[setting] = f"{app.environment['QUEUE']}{ending}"
    queue = QueueClient.from_connection_string(app.environment["AzureWebJobsStorage"], app.environment[setting])
    queue.create_queue()
    return queue


def logged(app: App) -> str:
    return "".join(log.read_text() for log in app.folder.glob("*.log"))


def one_at_a_time(app: App) -> None:
    """As the service's own host.json has it."""
    file = app.folder / "host.json"
    document = json.loads(file.read_text())
    document["extensions"]["queues"] |= {"batchSize": 1, "newBatchThreshold": 0}
    file.write_text(json.dumps(document))


@pytest.mark.slow
def test_a_poison_function_that_fails_is_asked_again_without_an_end(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE + OTHER, storage_connection)
    app.environment["OTHER_FAILS"] = "1"
    queue_beside(app, "OTHER", "-poison")
    with app.host("--message-visibility", "2"):
        app.send("bad")
        eventually(lambda: len(app.notes("other")) == 4, 30)
    found = app.notes("other")
    assert [note.text for note in found] == [f"other {count}" for count in range(1, 5)], "two deliveries are no bound here"
    for earlier, later in pairwise(found):
        assert later.at - earlier.at > 1.5, "hidden as long as a message in flight"


@pytest.mark.slow
def test_a_message_whose_host_is_killed_each_time_is_poison_without_another_run(
    tmp_path: Path, storage_connection: str
) -> None:
    app = small_app(tmp_path, TAKE, storage_connection)
    poison = queue_beside(app, "POISON", "-poison")
    app.send("slow 60")
    ended = []
    for run in (1, 2):
        with app.host("--message-visibility", "3") as process:
            eventually(lambda run=run: len(app.notes("begin")) == run)  # type: ignore[misc]
            process.kill()
            ended.append(time.time())
    assert app.notes("begin")[1].at - app.notes("begin")[0].at > 2, "it comes back when it is visible again"
    with app.host("--message-visibility", "3"):
        eventually(lambda: len(poison.peek_messages()) == 1)
    assert len(app.notes("begin")) == 2, "the host knows by the count, and runs nothing"


@pytest.mark.slow
def test_who_has_lost_a_message_runs_on_to_its_end(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE, storage_connection)
    with app.host("--message-visibility", "2") as process:
        app.send("slow 5")
        eventually(lambda: len(app.notes("begin")) == 1)
        app.queue.clear_messages()
        eventually(lambda: len(app.notes("end")) == 1)
        assert process.exit_code is None
    assert logged(app).count("its function runs on") == 1, "one renewal fails, and there is no other"
    assert "begins anew" not in logged(app)


@pytest.mark.slow
def test_two_hosts_share_a_queue_one_message_at_a_time_in_each(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE, storage_connection)
    one_at_a_time(app)
    for _ in range(12):
        app.send("slow 0.5")
    with app.host() as first, app.host() as second:
        eventually(lambda: len(app.notes("end")) == 12, 60)
        assert {note.process for note in app.notes("end")} == {first.pid, second.pid}
    assert len(app.notes("begin")) == 12
    for process in (first.pid, second.pid):
        turns = [note.text.split()[0] for note in app.notes() if note.process == process]
        assert turns == ["begin", "end"] * (len(turns) // 2)


def test_a_function_that_is_at_work_keeps_no_other_queue_waiting(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE + OTHER, storage_connection)
    one_at_a_time(app)
    other = queue_beside(app, "OTHER", "-other")
    with app.host() as process:
        app.send("slow 60")
        eventually(lambda: len(app.notes("begin")) == 1)
        other.send_message("YQ==")
        eventually(lambda: len(app.notes("other")) == 1, 5)
        process.kill()


@pytest.mark.slow
def test_messages_of_any_text_are_delivered_and_too_large_ones_cannot_be_sent(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE, storage_connection)
    whole = 48 * 1024
    with app.host():
        for text in ("", "{not json", "x" * whole):
            app.send(text)
        eventually(lambda: len(app.notes("end")) == 3)
    assert sorted(int(note.text.split()[-2]) for note in app.notes("end")) == [0, len("{not json"), whole]
    with pytest.raises(HttpResponseError) as refused:
        app.send("x" * (whole + 1))
    assert refused.value.status_code == 413


@pytest.mark.slow
def test_a_tick_that_fails_is_not_tried_again(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TICK.format(schedule="*/2 * * * * *"), storage_connection)
    with app.host() as process:
        eventually(lambda: len(app.notes("begin")) == 3)
        assert process.exit_code is None
    for earlier, later in pairwise(app.notes("begin")):
        assert later.at - earlier.at > 1, "the next run is that of the next tick"


def test_a_timer_whose_status_is_lost_waits_for_its_next_tick(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TICK.format(schedule="0 0 0 1 1 *"), storage_connection)
    state = tmp_path / "state"
    with app.host("--state", str(state)):
        eventually((state / "tick.status").exists)
        time.sleep(1)
    assert app.notes() == []
