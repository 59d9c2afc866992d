"""Another server takes over the address: connections that there are stay with the old one, fall silent or are cut.

The address of a server is the proxy's; whoever connects anew reaches the new server. One process does all invocations, so its
pools hold connections to the old one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import psycopg
from redis import Redis

from dev.servers.valkey import ValkeyServer
from tests.faults.host import Running
from tests.faults.needs import needing, told
from tests.faults.scenarios.silence import shorten
from tests.faults.stage import Stage
from tests.faults.standby import standby_of

#: What becomes of the connections that there are.
_KEPT, _SILENT, _CUT = "kept", "silent", "cut"
_MOST_SECONDS = 50.0


def redis_fails_over(connections: str, function: str, stage: Stage, like: str = "") -> None:
    """The old primary is a replica now: with its connections kept, it answers READONLY to every write.

    That happens at a step with a name like `like`.
    """
    world, servers = stage.world, stage.world.servers
    running = _begun(stage, function, like)
    if running is None:
        return
    old, proxy = world.redis, servers.proxies["redis"]
    old_port = proxy.target
    with ValkeyServer(servers.folder / f"valkey-{world.token}") as other, Redis.from_url(other.url) as new:
        _follow(new, old)
        new.replicaof("NO", "ONE")
        _follow(old, new)
        proxy.target = _port(other.url)
        world.redis = new
        try:
            _connections_become(connections, stage, "redis")
            _goes_on_by_itself(stage, running)
            _events_are_taken(stage)
        finally:
            old.replicaof("NO", "ONE")
            proxy.target, world.redis = old_port, old


@told("archive", "removal")
@needing(own_source=True, ledger_may_be_apart=0.5)
def postgres_fails_over(connections: str, stage: Stage) -> None:
    """A standby that has everything is promoted, and its old primary takes no writes any more, or is gone."""
    running = _begun(stage, stage.rng.choice(list(stage.story.functions)))
    if running is None:
        return
    _a_standby_takes_over(stage)
    _connections_become(connections, stage, "postgres")
    _goes_on_by_itself(stage, running)


def _begun(stage: Stage, function: str, like: str = "") -> Running | None:
    stage.world.through_proxies()
    shorten(stage)
    stage.host.stays = True
    # the ledger is there: a standby that has not even its schema would have all of it made anew
    stage.host.invoke("reconcile")
    stage.approach(function)
    return stage.begin_until(function, stage.step(function, like))


def _a_standby_takes_over(stage: Stage) -> None:
    """The old primary is fenced: its sessions live, and every transaction that begins there is read-only."""
    world, servers = stage.world, stage.world.servers
    old = servers.postgres
    standby = world.closing.enter_context(standby_of(old, servers.folder / f"standby-{world.token}"))
    with psycopg.connect(old.url, autocommit=True) as connection:
        connection.execute("alter system set default_transaction_read_only = on")
        connection.execute("select pg_reload_conf()")
    standby.catch_up()
    standby.promote()
    world.source_moves(standby.server)
    # what was under way at the old primary may still be committed there
    world.history_lost = True


def _connections_become(what: str, stage: Stage, server: str) -> None:
    servers = stage.world.servers
    stage.note(f"the connections to the old server are {what}")
    if what == _SILENT:
        servers.silence(server, new_too=False)
    elif what == _CUT:
        servers.cut(server)


def _goes_on_by_itself(stage: Stage, running: Running) -> None:
    running.worker.resume()
    outcome = running.end(_MOST_SECONDS)
    assert not outcome.killed, f"{running.function} has waited for the old server for {_MOST_SECONDS} s"
    # the same process: whatever it knows of its connections
    stage.go_on()
    stage.give_up_nothing()
    assert len(stage.host.processes()) == 1, "the process did not live on"
    stage.recover()


def _events_are_taken(stage: Stage) -> None:
    """The process reads and acknowledges what comes, wherever its connections lead."""
    world, stream = stage.world, stage.world.environment["EVENTS_STREAM"]
    stage.story.ask(world)
    for _ in range(3):
        stage.host.invoke("drain_events")
    groups: Any = world.redis.xinfo_groups(stream)
    last: Any = world.redis.xrevrange(stream, count=1)
    taken = [group["pending"] == 0 and group["last-delivered-id"] == last[0][0] for group in groups]
    assert taken == [True], f"events are not taken any more: {groups}"


def _follow(follower: Redis, leader: Redis) -> None:
    """Returns when it has everything."""
    follower.replicaof("127.0.0.1", str(leader.connection_pool.connection_kwargs["port"]))
    deadline = time.monotonic() + 30
    state: Any = {}
    while state.get("master_link_status") != "up":
        assert time.monotonic() < deadline, f"the replica does not follow: {state}"
        state = follower.info("replication")


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


_BECOME = (_KEPT, _SILENT, _CUT)
SCENARIOS: list[Callable[[Stage], None]] = [
    *(partial(redis_fails_over, what, function) for what in _BECOME for function in ("drain_events", "archive_chunk")),
    *(partial(postgres_fails_over, what) for what in _BECOME for _ in range(2)),
]
