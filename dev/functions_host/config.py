"""host.json, app settings and `%SETTING%`: read once, refused early.

The defaults and limits are those of https://learn.microsoft.com/azure/azure-functions/functions-host-json and
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.functions_host.errors import HostError

_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?")
_LARGEST_BATCH = 32
# what `UseDevelopmentStorage=true` stands for: the emulator's public account on its usual port
_EMULATOR = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues` of host.json; times in seconds."""

    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    max_polling_interval: float
    #: how long a message stays hidden after its function failed
    retry_visibility: float
    base64: bool


@dataclass(frozen=True, slots=True)
class HostConfig:
    """host.json; times in seconds."""

    queues: QueueOptions
    route_prefix: str
    #: `None` is unbounded
    function_timeout: float | None


def read_host_config(app: Path) -> HostConfig:
    """Read host.json of the folder `app`; raises `HostError`."""
    document = _read_json(app / "host.json")
    if document.get("version") != "2.0":
        raise HostError('host.json: "version" must be "2.0"')
    extensions = document.get("extensions", {})
    queues = extensions.get("queues", {})
    batch_size = _number(queues, "batchSize", 16, 1, _LARGEST_BATCH)
    encoding = str(queues.get("messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise HostError(f'host.json: extensions.queues.messageEncoding is "{encoding}"; it must be "base64" or "none"')
    timeout = document.get("functionTimeout", "00:30:00")
    return HostConfig(
        queues=QueueOptions(
            batch_size=batch_size,
            new_batch_threshold=_number(queues, "newBatchThreshold", batch_size // 2, 0, None),
            max_dequeue_count=_number(queues, "maxDequeueCount", 5, 1, None),
            max_polling_interval=timespan(queues.get("maxPollingInterval", "00:01:00"), "extensions.queues.maxPollingInterval"),
            retry_visibility=timespan(queues.get("visibilityTimeout", "00:00:00"), "extensions.queues.visibilityTimeout"),
            base64=encoding == "base64",
        ),
        route_prefix=str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"),
        function_timeout=None if str(timeout) == "-1" else timespan(timeout, "functionTimeout"),
    )


def load_local_settings(app: Path) -> None:
    """Put `Values` of local.settings.json into the environment, where it does not say otherwise."""
    file = app / "local.settings.json"
    if not file.exists():
        return
    document = _read_json(file)
    if document.get("IsEncrypted"):
        raise HostError("local.settings.json is encrypted: run `func settings decrypt`")
    for name, value in document.get("Values", {}).items():
        if not isinstance(value, str):
            raise HostError(f"local.settings.json: the value of {name} must be a string")
        os.environ.setdefault(name, value)


def expand(text: str, where: str) -> str:
    """Replace `%NAME%` by the app setting NAME; raises `HostError` for one that is not set."""

    def value(match: re.Match[str]) -> str:
        try:
            return os.environ[match[1]]
        except KeyError:
            raise HostError(f"{where}: '%{match[1]}%' does not resolve to a value; set the app setting {match[1]}") from None

    return re.sub(r"%([^%]+)%", value, text)


def connection_string(name: str, where: str) -> str:
    """The storage connection string that a binding's `connection` names; raises `HostError` without one."""
    for setting in (name, f"AzureWebJobs{name}"):
        if os.environ.get(setting):
            return os.environ[setting].replace("UseDevelopmentStorage=true", _EMULATOR)
    raise HostError(f"{where}: storage account connection string '{name}' does not exist; set the app setting {name}")


def timespan(text: object, where: str) -> float:
    """Seconds of a .NET TimeSpan, `[d.]hh:mm:ss[.fffffff]`."""
    match = _TIMESPAN.fullmatch(str(text))
    if match is None or int(match[2]) > 23 or int(match[3]) > 59 or int(match[4]) > 59:
        raise HostError(f'host.json: {where} is "{text}"; it must be a time span like "00:00:30"')
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups()[:4])
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds + float(f"0.{match[5] or 0}")


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text())
    except FileNotFoundError:
        raise HostError(f"{file.name} is missing in {file.parent}: is that a function app?") from None
    except ValueError as error:
        raise HostError(f"{file.name} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise HostError(f"{file.name} must hold a JSON object")
    return document


def _number(options: dict[str, Any], name: str, default: int, low: int, high: int | None) -> int:
    value = options.get(name, default)
    if type(value) is not int or value < low or (high is not None and value > high):
        bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise HostError(f"host.json: extensions.queues.{name} is {value!r}; it must be a whole number {bounds}")
    return value
