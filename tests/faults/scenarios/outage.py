"""A dependency is away for long, in front of a backlog of jobs and events. When it is back, everything goes on by itself.

Nobody is to blame for an outage: no job fails, no event is buried and no message becomes poison, however often each was
tried meanwhile. The first job is done within half a minute of the return.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import psycopg

from tests.faults.needs import needing, told
from tests.faults.proxy import Weather
from tests.faults.scenarios.silence import shorten
from tests.faults.stage import Stage
from tests.faults.stories.backlog import BacklogStory

#: The host's rounds while it lasts: more than the deliveries after which a message is poison and an event buried.
_ROUNDS = 7
#: Between two rounds: a message that was put off is delivered again.
_PAUSE_SECONDS = 1.0
#: After the return the first job is done within this time.
_BEGINS_SECONDS = 30.0
#: Servers that all go away together; the rest of the world is there.
DEPENDENCIES: dict[str, tuple[str, ...]] = {
    "the source": ("postgres",),
    "the ledger": ("ledger",),
    "source and ledger": ("postgres", "ledger"),
    "Redis": ("redis",),
    "the queue": ("queue",),
    "the lake": ("lake",),
    "the network": ("postgres", "ledger", "redis", "queue", "lake"),
}


@contextmanager
def _refused(servers: tuple[str, ...], stage: Stage) -> Iterator[None]:
    """Nobody listens there."""
    for server in servers:
        stage.world.servers.proxies[server].weather = Weather("refuse")
        stage.world.servers.cut(server)
    yield
    stage.world.servers.heal()


@contextmanager
def _silent(servers: tuple[str, ...], stage: Stage) -> Iterator[None]:
    """Nobody says anything there."""
    for server in servers:
        stage.world.servers.silence(server, new_too=True)
    yield
    stage.world.servers.heal()


@contextmanager
def _read_only(servers: tuple[str, ...], stage: Stage) -> Iterator[None]:
    """The server takes no writes, as one whose disk is nearly full."""
    urls = {"postgres": stage.world.servers.postgres_url, "ledger": stage.world.ledger_url}
    with _set_on_server([urls[server] for server in servers], "default_transaction_read_only = on"):
        yield


@contextmanager
def _no_connections(servers: tuple[str, ...], stage: Stage) -> Iterator[None]:
    """It ends every session, and takes no new ones."""
    urls = {"postgres": stage.world.database_url, "ledger": stage.world.ledger_url}
    _allow_connections([urls[server] for server in servers], allowed=False)
    yield
    _allow_connections([urls[server] for server in servers], allowed=True)


def _allow_connections(urls: list[str], *, allowed: bool) -> None:
    for url in urls:
        server, _, name = url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"alter database {name} allow_connections {allowed}".encode())
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))


MANNERS: dict[str, Callable[[tuple[str, ...], Stage], AbstractContextManager[None]]] = {
    "refuses": _refused,
    "is silent": _silent,
    "is read-only": _read_only,
    "takes no connections": _no_connections,
}


@told(BacklogStory.name)
@needing(own_source=True, ledger_apart=True)
def away(what: str, manner: str, stage: Stage) -> None:
    """Half of the chunks are jobs with a message already, the others are events when it begins."""
    story = stage.story
    assert isinstance(story, BacklogStory)
    stage.world.through_proxies()
    shorten(stage)
    stage.host.stays = True
    stage.approach("archive_chunk")
    story.ask_more(stage.world)
    servers = DEPENDENCIES[what]
    with MANNERS[manner](servers, stage):
        _host_goes_on(stage, manner, "queue" in servers)
    killed = [invocation.function for invocation in stage.host.invocations if invocation.outcome.killed]
    assert not killed, f"these did not end by themselves: {killed}"
    stage.give_up_nothing()
    returned, done = time.monotonic(), _done(stage)
    while _done(stage) == done:
        assert time.monotonic() < returned + _BEGINS_SECONDS, f"nothing was done within {_BEGINS_SECONDS} s of the return"
        if not stage.host.round():
            time.sleep(0.25)
    stage.note(f"the first job was done {time.monotonic() - returned:.1f} s after the return")
    stage.recover()
    stage.give_up_nothing()


def _host_goes_on(stage: Stage, manner: str, without_queue: bool) -> None:
    """Timers tick and messages are delivered, unless the queue itself is away; where each waits for an answer, one message."""
    for _ in range(_ROUNDS):
        for timer in stage.host.timers:
            stage.host.run(timer)
        if not without_queue:
            for function in stage.host.queue_functions():
                stage.host.run(function, 1 if manner == "is silent" else None)
        time.sleep(_PAUSE_SECONDS)


def _done(stage: Stage) -> int:
    return sum(job["status"] not in ("queued", "running") for job in stage.world.jobs())


@contextmanager
def _set_on_server(urls: list[str], setting: str) -> Iterator[None]:
    """For all sessions of the servers, also those that there are."""
    for url in urls:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"alter system set {setting}".encode())
            connection.execute("select pg_reload_conf()")
    yield
    for url in urls:
        with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
            connection.execute(f"alter system reset {setting.partition(' ')[0]}".encode())
            connection.execute("select pg_reload_conf()")


SCENARIOS: list[Callable[[Stage], None]] = [
    *(partial(away, what, "refuses") for what in DEPENDENCIES),
    *(partial(away, what, "is read-only") for what in ("the source", "the ledger", "source and ledger")),
    *(partial(away, what, "is silent") for what in DEPENDENCIES),
    *(partial(away, what, "takes no connections") for what in ("the source", "the ledger")),
]
