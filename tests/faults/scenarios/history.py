"""The source or the ledger is another one than before: put back on its disks, recovered to an earlier point, or promoted.

What was committed after the point is lost, and nobody's fault: the truth goes back with the source. Whatever archives there are
of the lost history, none of them counts, and no row of the history that goes on is lost or doubled. Whose request is lost
with the ledger asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg

from tests.faults.host import Running
from tests.faults.needs import needing, told
from tests.faults.stage import Stage
from tests.faults.standby import Standby, standby_of
from tests.faults.truth import Row, chunk_of
from tests.kit.disks import Disks


@told("archive", "removal")
@needing(own_source=True, ledger_may_be_apart=0.5)
def put_back(when: str, stage: Stage) -> None:
    """A backup of the disks is put back: the same transaction numbers come again, on the same timeline."""
    world = stage.world
    disks = Disks(world.servers.postgres, world.servers.folder / f"backup-{world.token}")
    saved = _saved_at(when, stage, disks.save)
    change(stage, "of the lost history")
    running = _at_work(stage)
    disks.put_back()
    history_is_lost(stage, saved)
    change(stage, "of this history")
    _end(stage, running)


@told("archive", "removal")
@needing(own_source=True, ledger_may_be_apart=0.5)
def recovered(when: str, stage: Stage) -> None:
    """A standby that has stopped following at an earlier point is promoted: another timeline, and the last commits are lost."""
    world = stage.world
    world.through_proxies()
    standbys: list[Standby] = []

    def save() -> None:
        folder = world.servers.folder / f"standby-{world.token}"
        standbys.append(world.closing.enter_context(standby_of(world.servers.postgres, folder)))
        standbys[0].stop_following()

    saved = _saved_at(when, stage, save)
    change(stage, "of the lost history")
    running = _at_work(stage)
    standbys[0].promote()
    world.servers.cut("postgres")
    world.source_moves(standbys[0].server)
    history_is_lost(stage, saved)
    change(stage, "of this history")
    _end(stage, running)


@told("archive", "removal")
@needing(own_source=True, ledger_may_be_apart=0.5)
def promoted(how: str, stage: Stage) -> None:
    """A server that has everything goes on, on the next timeline or restarted: nothing is archived again."""
    world = stage.world
    disks = Disks(world.servers.postgres, world.servers.folder / f"backup-{world.token}")
    stage.story.ask(world)
    running = _at_work(stage)
    {"promoted": disks.fail_over, "restarted": disks.restart}[how]()
    _end(stage, running)
    stage.recover()
    again = [job["chunk"] for job in world.jobs() if job["kind"] == "archive" and job["revision"]]
    assert not again, f"nothing has changed, and these were archived again: {again}"


@told("archive", "removal", "restore")
@needing(ledger_apart=True)
def ledger_put_back(when: str, stage: Stage) -> None:
    """The ledger's own database is put back, the source is not."""
    world = stage.world
    server, _, ledger = world.ledger_url.rpartition("/")
    saved = f"{ledger}_saved"

    def copied(source: str, target: str) -> None:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (source,))
            connection.execute(f"drop database if exists {target} with (force)".encode())
            connection.execute(f"create database {target} template {source}".encode())

    _saved_at(when, stage, lambda: copied(ledger, saved))
    running = _at_work(stage)
    copied(saved, ledger)
    world.history_lost = True
    _end(stage, running)


def _saved_at(when: str, stage: Stage, save: Callable[[], None]) -> dict[int, Row]:
    """Go on until the moment, save, and return what the table holds then."""
    stage.note(f"saved {when}")
    functions = list(stage.story.functions)
    match when:
        case "at first":
            # a ledger from before there was one would be another ledger, which a person has to take over
            stage.host.invoke("reconcile")
        case "before the work":
            stage.approach(functions[1])
        case _:  # "before its end"
            stage.approach(functions[-1])
    save()
    if when == "at first":
        stage.story.ask(stage.world)
    return stage.world.truth.now


def _at_work(stage: Stage) -> Running | None:
    """Some of the work is done, and a function of it may be at one of its steps."""
    functions = [name for name in stage.story.functions if name not in ("drain_events", "request_restore")]
    function = stage.rng.choice(functions)
    for earlier in stage.story.functions:
        if earlier != function:
            stage.host.run(earlier)
        elif stage.host.has_work(function):
            return stage.begin_until(function, stage.step(function)) if stage.rng.random() < 0.7 else None
    return None


def change(stage: Stage, what: str) -> None:
    """One row of each chunk that is there is changed: with the same number of transactions in either history."""
    truth = stage.world.truth
    with psycopg.connect(stage.world.database_url, autocommit=True) as connection:
        for chunk in stage.story.chunks:
            identity = min(key for key, row in truth.now.items() if chunk_of(row) == chunk)
            truth.change(connection, identity, f"{chunk} {what}")


def history_is_lost(stage: Stage, saved: dict[int, Row]) -> None:
    stage.world.truth.states.append(saved)
    stage.world.history_lost = True


def _end(stage: Stage, running: Running | None) -> None:
    """A worker of before goes on, or dies; then people ask for what the ledger may have forgotten."""
    stage.struck = True
    if running is not None:
        if stage.rng.random() < 0.5:
            running.worker.resume()
        else:
            running.worker.kill()
        running.end()
    stage.host.round()
    stage.world.let_an_hour_pass()
    outcome = stage.host.invoke("reconcile")
    assert outcome.succeeded, f"reconcile failed: {outcome.error}"
    if stage.world.history_lost and stage.story.unsettled(stage.world):
        stage.story.ask(stage.world)


_WHENS = ("at first", "before the work", "before its end")
SCENARIOS: list[Callable[[Stage], None]] = [
    *(partial(put_back, when) for when in _WHENS),
    *(partial(recovered, when) for when in _WHENS),
    *(partial(ledger_put_back, when) for when in _WHENS),
    *(partial(promoted, how) for how in ("promoted", "restarted")),
]
