"""PgBouncer stands before the source, or before the ledger.

In transaction and statement mode no connection has a session of its own, and neither a snapshot nor a lock survives: the
service refuses, names the way around, and gives nothing up. In session mode all works. Then somebody names the direct port.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.faults.needs import needing
from tests.faults.stage import Stage
from tests.kit.pgbouncer import DATABASE, pgbouncer

#: More than the deliveries after which a message is poison and an event buried.
_ROUNDS = 6
VARIABLES = ("SOURCE_DATABASE_URL", "LEDGER_DATABASE_URL")
_IGNORES = {"ignore_startup_parameters": "options"}
#: Settings of PgBouncer, and whether the service can work through it.
MODES: dict[str, tuple[dict[str, str], bool]] = {
    "transaction mode": ({"pool_mode": "transaction", **_IGNORES}, False),
    "transaction mode in turn": ({"pool_mode": "transaction", "server_round_robin": "1", **_IGNORES}, False),
    "transaction mode with one session": ({"pool_mode": "transaction", "default_pool_size": "1", **_IGNORES}, False),
    "statement mode": ({"pool_mode": "statement", **_IGNORES}, False),
    "as it comes": ({"pool_mode": "transaction"}, False),
    "session mode": ({"pool_mode": "session", "default_pool_size": "20", **_IGNORES}, True),
}


@needing(ledger_apart=True)
def before(variable: str, mode: str, stage: Stage) -> None:
    """From the beginning, or once some of the work is done."""
    world = stage.world
    settings, works = MODES[mode]
    stage.approach(stage.rng.choice(list(stage.story.functions)))
    direct = world.environment[variable]
    behind = world.database_url if variable == "SOURCE_DATABASE_URL" else world.ledger_url
    with pgbouncer(behind, world.servers.folder, **settings) as port:
        world.environment[variable] = f"postgresql://anybody:@127.0.0.1:{port}/{DATABASE}"
        world.move()
        met = len(stage.host.invocations)
        for _ in range(_ROUNDS):
            stage.host.round()
        errors = [invocation.outcome.error for invocation in stage.host.invocations[met:]]
        if works:
            assert not any(errors), f"in session mode: {errors}"
        else:
            said = world.log.read_text(errors="replace")
            assert "connection pooler" in said, f"nobody says that this is a pooler: {errors}"
            assert variable in said, f"nobody says where to name the direct port: {errors}"
        stage.host.close()
    world.environment[variable] = direct
    world.move()
    stage.recover()
    stage.give_up_nothing()


SCENARIOS: list[Callable[[Stage], None]] = [partial(before, variable, mode) for mode in MODES for variable in VARIABLES]
