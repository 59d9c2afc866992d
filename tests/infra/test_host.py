"""host.json holds what a host knows, and the package what the app needs."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import timedelta
from fnmatch import fnmatch
from typing import Any

from archival_core.settings import Settings
from tests.infra.bicep import INFRA, ROOT

HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text())

#: https://learn.microsoft.com/azure/azure-functions/functions-host-json: what the service may use of it.
KNOWN = {
    "": {"version", "functionTimeout", "telemetryMode", "logging", "extensions", "extensionBundle", "concurrency", "retry"},
    "logging": {"logLevel", "fileLoggingMode", "console"},
    "extensions": {"http", "queues"},
    "extensions.http": {
        "routePrefix",
        "maxOutstandingRequests",
        "maxConcurrentRequests",
        "dynamicThrottlesEnabled",
        "hsts",
        "customHeaders",
    },
    "extensions.queues": {
        "maxPollingInterval",
        "visibilityTimeout",
        "batchSize",
        "maxDequeueCount",
        "newBatchThreshold",
        "messageEncoding",
    },
    "extensionBundle": {"id", "version"},
}


def _span(text: str) -> timedelta:
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def test_only_known_settings() -> None:
    for path, known in KNOWN.items():
        part = HOST
        for step in filter(None, path.split(".")):
            part = part.get(step, {})
        assert part.keys() - known == set(), path


def test_values_are_what_the_service_counts_on() -> None:
    queues = HOST["extensions"]["queues"]
    assert HOST["version"] == "2.0"
    assert HOST["telemetryMode"] == "OpenTelemetry"
    assert queues["messageEncoding"] == "none", "what the host cannot decode would reach no function"
    assert 1 <= queues["batchSize"] <= 32
    assert HOST["extensions"]["http"]["routePrefix"] == "api"
    assert not HOST["extensions"]["http"]["routePrefix"].startswith(("admin", "runtime"))


def test_a_run_ends_before_the_host_ends_it() -> None:
    budget = Settings.model_fields["job_time_budget"].get_default()
    assert budget <= _span(HOST["functionTimeout"]) - timedelta(minutes=5)
    assert _span(HOST["functionTimeout"]) <= timedelta(hours=1), "instances are given at most an hour when they scale in"


def test_the_package_has_what_the_app_needs_and_nothing_else() -> None:
    lines = (ROOT / ".funcignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    untracked = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if "*" not in line}
    entries = {path.partition("/")[0] for path in tracked} | untracked
    deployed = {entry for entry in entries if not any(fnmatch(entry, pattern) for pattern in patterns)}
    for pattern in patterns:
        assert any(fnmatch(path, f"{pattern}*") for path in [*tracked, *entries]), f"{pattern} leaves nothing out"
    # bytecode is nobody's, and the tools leave it out by themselves
    assert deployed - {"__pycache__"} == {"archival_core", "function_app.py", "host.json", "requirements.txt"}


def test_runtime_and_python_are_the_same_everywhere() -> None:
    app = (INFRA / "modules/function-app.bicep").read_text()
    [version] = re.findall(r"name: 'python'\s+version: '([\d.]+)'", app)
    assert f'requires-python = ">={version},' in (ROOT / "pyproject.toml").read_text()
