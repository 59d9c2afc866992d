"""The effect came to pass, and its answer was lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.faults.proxy import Weather
from tests.faults.stage import Stage

#: method and what the request holds
_LAKE = {
    "create": ("PUT", "resource=file"),
    "create directory": ("PUT", "resource=directory"),
    "append": ("PATCH", "action=append"),
    "flush": ("PATCH", "action=flush"),
    "put": ("PUT", "x-ms-blob-type"),
    "rename": ("PUT", "x-ms-rename-source: /"),
    "publish": ("PUT", "/tables/"),
    "manifest": ("PUT", "/manifests/"),
    "delete": ("DELETE", ""),
    "filesystem": ("PUT", "restype=container"),
    "list": ("GET", "resource=filesystem"),
}
#: the server, and what the question holds
_OTHERS = {
    "enqueue": ("queue", b"QueueMessage"),
    "XACK": ("redis", b"XACK"),
    "XREADGROUP": ("redis", b"XREADGROUP"),
    "result": ("redis", b"archival.chunk.archived"),
    "COMMIT": ("postgres", b"COMMIT"),
    "new job": ("postgres", b"insert into archival.job"),
    "lease": ("postgres", b"set status = 'running'"),
    "part": ("postgres", b"insert into archival.part"),
    "finish": ("postgres", b"set status = 'archived'"),
    "announced": ("postgres", b"set announced"),
}


def _lake(name: str, stage: Stage) -> None:
    method, contains = _LAKE[name]
    times = stage.rng.choice([1, 1, 2, 9])
    skip = stage.rng.randrange(3) if name in ("create", "append", "flush", "rename") else 0
    stage.note(f"the answer to {name} is lost {times} times, after {skip} others")
    fault = stage.world.fault(
        method, contains, kind=stage.rng.choice(["drop_response", "status_after"]), times=times, skip=skip
    )
    stage.play()
    stage.struck = bool(fault.hits)


def _other(name: str, stage: Stage) -> None:
    server, contains = _OTHERS[name]
    stage.note(f"the answer to {name} is lost")
    stage.world.through_proxies()
    weather = Weather("drop_answer", contains=contains, times=stage.rng.choice([1, 1, 2]))
    stage.world.servers.proxies[server].weather = weather
    stage.play()
    stage.struck = bool(weather.hits)


SCENARIOS: list[Callable[[Stage], None]] = [
    *(partial(_lake, name) for name in _LAKE),
    *(partial(_other, name) for name in _OTHERS),
]
