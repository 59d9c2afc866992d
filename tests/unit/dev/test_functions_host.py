"""What the development host reads, and what it refuses."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dev.functions_host import config, http, timers
from dev.functions_host.errors import HostError
from dev.functions_host.worker import Function


def app(folder: Path, **host: object) -> Path:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **host}))
    return folder


def test_defaults_are_the_real_hosts(tmp_path: Path) -> None:
    read = config.read_host_config(app(tmp_path))
    assert (read.queues.batch_size, read.queues.new_batch_threshold, read.queues.max_dequeue_count) == (16, 8, 5)
    assert (read.queues.max_polling_interval, read.queues.retry_visibility, read.queues.base64) == (60, 0, True)
    assert (read.route_prefix, read.function_timeout) == ("api", 1800)


@pytest.mark.parametrize(
    ("queues", "named"),
    [
        ({"batchSize": 33}, "batchSize is 33"),
        ({"batchSize": True}, "batchSize is True"),
        ({"maxDequeueCount": 0}, "maxDequeueCount is 0"),
        ({"visibilityTimeout": 30}, "visibilityTimeout"),
        ({"visibilityTimeout": "00:61:00"}, "visibilityTimeout"),
        ({"messageEncoding": "utf8"}, "messageEncoding"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, queues: dict[str, object], named: str) -> None:
    with pytest.raises(HostError, match=re.escape(named)):
        config.read_host_config(app(tmp_path, extensions={"queues": queues}))


def test_a_folder_without_host_json_is_no_app(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"host\.json is missing"):
        config.read_host_config(tmp_path)


def test_time_spans() -> None:
    assert config.timespan("1.02:03:04.5", "x") == 93784.5


def test_settings_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "jobs")
    monkeypatch.delenv("MISSING", raising=False)
    assert config.expand("%NAME%-poison", "x") == "jobs-poison"
    with pytest.raises(HostError, match="'%MISSING%' does not resolve to a value"):
        config.expand("%MISSING%", "x")


def test_schedules_have_seconds_first() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert timers.next_tick("*/15 * * * * *", noon) == datetime(2026, 1, 1, 12, 0, 15, tzinfo=UTC)
    assert timers.next_tick("0 */5 * * * *", noon) == datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
    assert timers.next_tick("30 12 * * *", noon) == datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("schedule", ["", "every minute", "99 * * * * *", "* * * * * * *"])
def test_a_wrong_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(HostError, match="not recognized as a valid cron expression"):
        timers.check_schedule(Function("tick", "1", {"type": "timerTrigger", "schedule": schedule}))


def test_route_templates() -> None:
    assert http.aiohttp_paths("api", "jobs/{id:guid}") == [r"/api/jobs/{id:[0-9a-fA-F-]{36}}"]
    assert http.aiohttp_paths("api", "policies/{name?}") == ["/api/policies/{name:[^/]+}", "/api/policies"]
    assert http.aiohttp_paths("", "{*rest}") == ["/{rest:.*}"]
    assert http.aiohttp_paths("api", "{kind:regex(^(a|b)$)}/{*rest}") == ["/api/{kind:(a|b)}/{rest:.*}", "/api/{kind:(a|b)}"]
