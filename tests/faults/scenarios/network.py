"""Between the service and each server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

from tests.faults.proxy import Kind, Weather
from tests.faults.stage import Stage, any_story

_KINDS: tuple[Kind, ...] = ("reset", "latency", "black_hole", "half_open", "refuse", "drop_answer")
_SERVERS = ("postgres", "redis", "queue", "lake")
#: Where in a connection it strikes: in its beginning, or in the middle of what it is for.
_BYTES = {"postgres": 9000, "redis": 600, "queue": 900, "lake": 60_000}
_LASTS_SECONDS = 0.7


@any_story
def _bad(server: str, kind: Kind, stage: Stage) -> None:
    direction: Literal["up", "down"] = stage.rng.choice(["up", "down"]) if kind != "drop_answer" else "up"
    after = stage.rng.randrange(_BYTES[server])
    times = stage.rng.choice([1, 2, 1_000_000])
    stage.note(f"{kind} at {server}, {direction} after {after} bytes, {times} times")
    stage.world.through_proxies()
    weather = Weather(kind, after, direction, seconds=0.004, times=times)
    stage.world.servers.proxies[server].weather = weather
    over = threading.Event()
    healer = threading.Thread(target=_heal_later, args=(stage, weather, over))
    healer.start()
    try:
        stage.play()
    finally:
        over.set()
        healer.join()
    stage.struck = bool(weather.hits)


def _heal_later(stage: Stage, weather: Weather, over: threading.Event) -> None:
    """The network comes back a while after the fault was met: what was silent is reset then."""
    while not weather.hits and not over.wait(0.02):
        pass
    if weather.kind != "latency":
        time.sleep(_LASTS_SECONDS)
        stage.world.servers.heal()


SCENARIOS: list[Callable[[Stage], None]] = [partial(_bad, server, kind) for kind in _KINDS for server in _SERVERS]
