"""Connections that fall silent at a step, for longer than anybody waits: packets are swallowed, and nobody is reset.

Silence lasts until the service has given up by itself. What it waits for is minutes: the run shortens that by the parameters of
libpq and redis-py in the service's URLs, and by the time-outs of the storage SDKs (`tests/faults/haste.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.faults.silence import CAN_BE_SILENT
from tests.faults.stage import Stage, any_story
from tests.faults.steps import Step

_SERVERS = ("postgres", "redis", "queue", "lake")
#: A fifteenth of what the service says: a peer without an answer is given up after four seconds instead of a minute.
_DATABASE = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 2, "tcp_user_timeout": 4000}
_CONNECTS = {"connect_timeout": 2}
_REDIS = {"socket_timeout": 2, "socket_connect_timeout": 2}
_STORAGE_SECONDS = 2.0
#: A worker tries some things again before it gives up; whoever takes longer waits for ever.
MOST_SECONDS = 50.0


@any_story
def silent(servers: tuple[str, ...], new_too: bool, stage: Stage) -> None:
    """The connections that there are, or the way to the server as well: one that is never found again until it is back."""
    function = stage.rng.choice(list(stage.story.functions))
    falls_silent(stage, servers, function, stage.step(function), new_too=new_too)


def falls_silent(stage: Stage, servers: tuple[str, ...], function: str, step: Step, *, new_too: bool) -> None:
    """Until the service has given up, and gone on with what it can find."""
    world = stage.world
    world.through_proxies()
    shorten(stage)
    stage.host.stays = True
    stage.approach(function)
    running = stage.begin_until(function, step)
    if running is None:
        return
    connections = {server: world.servers.silence(server, new_too=new_too) for server in servers}
    stage.note(f"silent connections: {connections}, {'and no new ones' if new_too else 'new ones are possible'}")
    stage.struck = CAN_BE_SILENT and (new_too or any(connections.values()))
    running.worker.resume()
    outcome = running.end(MOST_SECONDS)
    assert not outcome.killed, f"{function} has waited for a silent connection for {MOST_SECONDS} s"
    for server in servers:
        world.servers.give_up_silent(server)
    if not new_too:
        # the same process, with what is left of its connections
        stage.go_on()
    stage.give_up_nothing()


def shorten(stage: Stage) -> None:
    """How long the service waits for an answer, in every client."""
    world = stage.world
    for variable in ("SOURCE_DATABASE_URL", "LEDGER_DATABASE_URL"):
        if world.environment.get(variable):
            world.set_in_urls(variable, **_DATABASE, **_CONNECTS)
    world.set_in_urls("REDIS_URL", **_REDIS)
    stage.host.options["answer_seconds"] = _STORAGE_SECONDS


SCENARIOS: list[Callable[[Stage], None]] = [
    partial(silent, servers, new_too)
    for new_too in (False, True)
    for servers in (*((server,) for server in _SERVERS), _SERVERS)
]
