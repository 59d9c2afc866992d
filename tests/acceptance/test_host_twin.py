"""The development host does what the real one was seen to do, also where that is inconvenient. Times are shorter."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from tests.kit.hosted_apps import App, eventually, small_app
from tests.kit.refusing_storage import refusing_storage

TAKE = """
@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def take(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    note(f"begin {text} {message.dequeue_count}")
    try:
        if text == "bad":
            raise ValueError("no")
        if text.startswith("slow"):
            await asyncio.sleep(float(text.split()[1]))
        note(f"end {text} {message.dequeue_count}")
    finally:
        note(f"finally {text}")
"""
TICK = """
@app.timer_trigger(arg_name="timer", schedule="{schedule}")
async def tick(timer: func.TimerRequest) -> None:
    note(f"begin {{timer.past_due}}")
    if {first_takes} and not os.path.exists("ticked"):
        open("ticked", "w").close()
        await asyncio.sleep({first_takes})
    note("end")
"""


def tick_app(folder: Path, connection: str, schedule: str = "* * * * * *", first_takes: float = 0) -> App:
    return small_app(folder, TICK.format(schedule=schedule, first_takes=first_takes), connection)


def count(queue: QueueClient) -> int:
    return queue.get_queue_properties().approximate_message_count or 0


# --- queues ----------------------------------------------------------------------------------------------------------------


def test_a_poisoned_message_expires_after_seven_days(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE, storage_connection)
    poison = QueueClient.from_connection_string(storage_connection, f"{app.environment['QUEUE']}-poison")
    poison.create_queue()
    with app.host():
        app.send("bad")
        app.queue.send_message("{not base64}")
        eventually(lambda: len(poison.peek_messages(max_messages=5)) == 2)
    for message in poison.peek_messages(max_messages=5):
        assert message.inserted_on is not None
        assert message.expires_on is not None
        assert message.expires_on - message.inserted_on == timedelta(days=7)
    assert [note.text for note in app.notes("begin")] == ["begin bad 1", "begin bad 2"]


def test_a_message_that_is_not_utf_8_reaches_no_function(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE, storage_connection)
    poison = QueueClient.from_connection_string(storage_connection, f"{app.environment['QUEUE']}-poison")
    with app.host():
        app.queue.send_message("/w==")
        eventually(lambda: count(app.queue) == 0)
    assert len(poison.peek_messages()) == 1
    assert app.notes() == []


@pytest.mark.slow
def test_a_renewal_that_is_refused_ends_the_host_and_all_that_runs_in_it(tmp_path: Path, storage_connection: str) -> None:
    with refusing_storage(storage_connection) as storage:
        app = small_app(tmp_path, TAKE, storage.connection)
        with app.host("--message-visibility", "4", "--patience", "1"):
            storage.refused.append(r"PUT .*visibilitytimeout=4\b")
            app.send("slow 5")
            app.send("slow 6")
            eventually(lambda: len(app.notes("begin")) == 2)
            eventually(lambda: len(app.notes("begin")) == 4)
            storage.refused.clear()
    first, second, third, fourth = app.notes("begin")
    assert first.process == second.process == third.process, "the same process, begun anew"
    assert {first.text, second.text} == {"begin slow 5 1", "begin slow 6 1"}
    assert {third.text, fourth.text} == {"begin slow 5 2", "begin slow 6 2"}
    assert len(storage.hits) >= 6
    assert "begins anew: a message of" in "".join(log.read_text() for log in tmp_path.glob("*.log"))
    # cut off by the end of the worker: nothing of it had the time to tidy up
    assert not [note for note in app.notes("finally") if note.at < third.at]


@pytest.mark.slow
def test_a_message_that_cannot_be_deleted_after_success_comes_again(tmp_path: Path, storage_connection: str) -> None:
    with refusing_storage(storage_connection) as storage:
        app = small_app(tmp_path, TAKE, storage.connection)
        with app.host("--message-visibility", "2"):
            storage.refused.append(r"DELETE .*/messages/")
            app.send("good")
            eventually(lambda: len(storage.hits) == 3)  # with the client's own retries
            storage.refused.clear()
            eventually(lambda: len(app.notes("end good")) == 2)
            eventually(lambda: count(app.queue) == 0)
    assert [note.text for note in app.notes("end")] == ["end good 1", "end good 2"]


@pytest.mark.slow
def test_storage_that_takes_no_connections_ends_the_host_and_an_error_does_not(tmp_path: Path, storage_connection: str) -> None:
    with refusing_storage(storage_connection) as storage:
        app = small_app(tmp_path, TAKE, storage.connection)
        with app.host("--patience", "1") as process:
            storage.refused.append(".")
            time.sleep(2.5)
            storage.refused.clear()
            app.send("good")
            eventually(lambda: len(app.notes("end good")) == 1)
            assert "begins anew" not in "".join(log.read_text() for log in tmp_path.glob("*.log"))
            assert process.exit_code is None
    app.environment["AzureWebJobsStorage"] = storage.connection  # nobody listens there any more
    with app.host("--patience", "1"):
        eventually(lambda: "begins anew: the listener of" in "".join(log.read_text() for log in tmp_path.glob("*.log")))


def test_a_stop_waits_for_what_runs(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE, storage_connection)
    with app.host() as process:
        app.send("slow 2")
        eventually(lambda: bool(app.notes("begin")))
        process.stop()
        assert process.exit_code == 0
    assert [note.text for note in app.notes("end")] == ["end slow 2 1"]
    assert count(app.queue) == 0


@pytest.mark.slow
def test_a_time_out_ends_the_worker_with_all_that_runs_in_it(tmp_path: Path, storage_connection: str) -> None:
    app = small_app(tmp_path, TAKE, storage_connection, timeout="00:00:02")
    with app.host():
        app.send("slow 30")
        eventually(lambda: bool(app.notes("begin slow 30")))
        time.sleep(1.2)
        app.send("slow 1.5")
        eventually(lambda: bool(app.notes("end slow 1.5")))
    assert [note.text for note in app.notes("end")] == ["end slow 1.5 2"], "it had not ended when the worker did"
    again = app.notes("begin slow 30 2")
    assert again
    assert not [note for note in app.notes("finally slow 30") if note.at < again[0].at]


# --- timers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_longer_than_its_interval_is_followed_by_exactly_one_at_once(tmp_path: Path, storage_connection: str) -> None:
    app = tick_app(tmp_path, storage_connection, first_takes=2.5)
    with app.host():
        eventually(lambda: len(app.notes("end")) >= 4)
    begins, ends = app.notes("begin"), app.notes("end")
    assert begins[1].at - ends[0].at < 0.3
    for earlier, later in pairwise(begins[1:]):
        assert later.at % 1 < 0.3, "with its tick"
        assert later.at - earlier.at > 0.2, "the other ticks were dropped"


@pytest.mark.slow
def test_two_hosts_share_a_timer_and_the_lease_does_not_fence(tmp_path: Path, storage_connection: str) -> None:
    app = tick_app(tmp_path, storage_connection)
    options = ("--state", str(tmp_path / "state"), "--timer-lease", "2")
    with app.host(*options) as first:
        eventually(lambda: len(app.notes("begin")) >= 1)
        with app.host(*options) as second:
            time.sleep(3)
            assert {note.process for note in app.notes()} == {first.pid}
            os.kill(first.pid, signal.SIGSTOP)
            paused = time.time()
            eventually(lambda: any(note.process == second.pid for note in app.notes()))
            assert time.time() - paused < 6
            time.sleep(1.5)
            os.kill(first.pid, signal.SIGCONT)
            awake = time.time()
            eventually(lambda: any(note.process == first.pid and note.at > awake - 0.1 for note in app.notes("begin")), 3)
            time.sleep(3)
            left = time.time()
            eventually(lambda: bool([note for note in app.notes("begin") if note.at > left]))
            assert {note.process for note in app.notes("begin") if note.at > left} == {second.pid}, "the first had lost it"


@pytest.mark.slow
def test_a_host_that_stops_releases_its_timers_and_a_killed_one_does_not(tmp_path: Path, storage_connection: str) -> None:
    app = tick_app(tmp_path, storage_connection)
    options = ("--state", str(tmp_path / "state"), "--timer-lease", "4")
    with app.host(*options) as first:
        eventually(lambda: bool(app.notes("begin")))
        first.stop()
    with app.host(*options) as second:
        eventually(lambda: app.notes()[-1].process == second.pid, 3)
        second.kill()
        killed = time.time()
    with app.host(*options) as third:
        eventually(lambda: app.notes()[-1].process == third.pid, 12)
        assert app.notes("begin")[-1].at - killed > 1.5, "the lease had to run out"


@pytest.mark.slow
def test_missed_ticks_make_one_run_that_is_past_due(tmp_path: Path, storage_connection: str) -> None:
    app = tick_app(tmp_path, storage_connection, schedule="0 0 0 1 1 *")
    state = tmp_path / "state"
    state.mkdir()
    missed = datetime.now(UTC) - timedelta(days=400)
    (state / "tick.status").write_text(json.dumps({"Next": missed.isoformat()}))
    with app.host("--state", str(state)):
        eventually(lambda: bool(app.notes("end")))
        time.sleep(0.5)
    assert [note.text for note in app.notes("begin")] == ["begin True"]
    with app.host("--state", str(state)):
        time.sleep(1.5)
    assert len(app.notes("begin")) == 1


def test_schedules_under_a_minute_make_up_for_nothing(tmp_path: Path, storage_connection: str) -> None:
    app = tick_app(tmp_path, storage_connection)
    state = tmp_path / "state"
    state.mkdir()
    (state / "tick.status").write_text(json.dumps({"Next": "2026-01-01T00:00:00+00:00"}))
    with app.host("--state", str(state)):
        eventually(lambda: len(app.notes("end")) >= 2)
    assert {note.text for note in app.notes("begin")} == {"begin False"}
