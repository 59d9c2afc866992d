"""The source and the ledger on a bad day, and writers who do not wait."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import psycopg

from tests.faults.host import Running
from tests.faults.needs import told
from tests.faults.stage import Stage, any_story
from tests.faults.truth import SCHEMA, chunk_of, invented

#: Raised by the server itself for the next writes of the ledger.
_ANSWERS = {
    "serialization failure": "40001",
    "deadlock": "40P01",
    "disk full": "53100",
    "out of memory": "53200",
    "too many connections": "53300",
    "cancelled": "57014",
    "read-only": "25006",
}
_TRIGGER = """
create sequence public.faults;
create function public.fault() returns trigger language plpgsql as $$
begin
    if nextval('public.faults') between %s and %s then raise exception 'a fault was asked for' using errcode = '%s'; end if;
    return coalesce(new, old);
end $$;
create trigger fault before insert or update on archival.job for each row execute function public.fault();
create trigger fault before insert on archival.part for each row execute function public.fault();
"""
_LOSE_NOTICES = """
create function public.lose() returns trigger language plpgsql as 'begin return null; end';
create trigger lose before insert on archival.table_due for each row execute function public.lose();
"""


def _paused(stage: Stage, like: str = "", function: str = "") -> Running | None:
    function = function or stage.rng.choice(
        [name for name in stage.story.functions if name not in ("drain_events", "request_restore")]
    )
    stage.approach(function)
    return stage.begin_until(function, stage.step(function, like))


def _go_on(running: Running) -> None:
    running.worker.resume()
    running.end()


@any_story
def restarted(stage: Stage) -> None:
    """In the middle of COPY, or anywhere else."""
    if running := _paused(stage, stage.rng.choice(["read_batches", ""])):
        stage.world.servers.postgres.restart()
        _go_on(running)


@any_story
def backend_killed(stage: Stage) -> None:
    """SIGKILL of one backend: the whole server goes through crash recovery."""
    if running := _paused(stage, stage.rng.choice(["read_batches", ""])):
        for pid in _backends(stage)[:1]:
            os.kill(pid, signal.SIGKILL)
        _go_on(running)


@any_story
def connections_ended(stage: Stage) -> None:
    """pg_terminate_backend of all that the worker has."""
    if running := _paused(stage):
        with stage.world.connect() as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        _go_on(running)


@any_story
def no_connections(stage: Stage) -> None:
    """Others have taken all of them."""
    if running := _paused(stage):
        with ExitStack() as stack:
            with suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(stage.world.servers.postgres_url))
            _go_on(running)


def changed_meanwhile(stage: Stage) -> None:
    """A row is inserted, updated or deleted while the chunk is copied: the archive is what the chunk was at one moment."""
    if running := _paused(stage):
        change_a_row(stage)
        _go_on(running)


def changed_between_attempts(stage: Stage) -> None:
    """The worker dies half-way, the chunk changes, and the next attempt must not mix the two."""
    if running := _paused(stage, "add_part|begin_parts|read_batches|append|flush", "archive_chunk"):
        running.worker.kill()
        running.end()
        change_a_row(stage)


def locked(stage: Stage) -> None:
    """Somebody holds the chunk in ACCESS EXCLUSIVE mode for a moment."""
    chunk = stage.rng.choice(list(stage.story.chunks))
    with psycopg.connect(stage.world.database_url) as other:
        other.execute(f"lock table {SCHEMA}.{chunk} in access exclusive mode".encode())
        function = next(name for name in stage.story.functions if name not in ("drain_events", "request_restore"))
        stage.approach(function)
        running = stage.host.begin(function)
        running.worker.process.join(0.5)
        other.rollback()
    running.end()


def _answers(name: str, stage: Stage) -> None:
    first = stage.rng.randrange(1, 8)
    last = first + stage.rng.choice([0, 1, 3])
    stage.note(f"{name} at the ledger's writes {first} to {last}")
    stage.approach("archive_chunk")  # the first drain makes the ledger
    with stage.world.connect() as connection:
        connection.execute((_TRIGGER % (first, last, _ANSWERS[name])).encode())
    stage.play()
    with stage.world.connect() as connection:
        [row] = connection.execute("select last_value from public.faults").fetchall()
        stage.struck = row["last_value"] >= first


@told("archive")
def notices_lost(stage: Stage) -> None:
    """That an archive has changed is not noted: who compares the table with all of its archives finds out, within an hour."""
    stage.play()
    stage.recover()
    stage.commit()
    with stage.world.connect() as connection:
        connection.execute(_LOSE_NOTICES.encode())
    change_a_row(stage)
    stage.archive_again(*stage.story.chunks)
    stage.recover()
    with stage.world.connect() as connection:
        connection.execute("drop trigger lose on archival.table_due")
        # an hour has passed since logs were compared
        connection.execute("update archival.lake_table set compared_at = null")
    stage.reconcile()


def change_a_row(stage: Stage) -> None:
    """A row of one of the story's chunks is inserted, updated or deleted, or some are."""
    truth, rng = stage.world.truth, stage.rng
    chunk = rng.choice(list(stage.story.chunks))
    identity = rng.choice([key for key, row in truth.now.items() if chunk_of(row) == chunk])
    with psycopg.connect(stage.world.database_url, autocommit=True) as connection:
        # a paused worker that removes the chunk lets nobody write, and without the chunk there is no place for the row
        stack = suppress(psycopg.errors.LockNotAvailable, psycopg.errors.CheckViolation)
        connection.execute("set lock_timeout = '200ms'")
        for _ in range(rng.choice([1, 1, 3])):
            what: dict[str, Callable[[], Any]] = {
                "inserted": lambda: truth.insert(connection, [invented(rng, chunk, 10**6 + len(truth.states))]),
                "updated": lambda: truth.change(connection, identity, f"changed {len(truth.states)}"),
                "deleted": lambda: truth.delete(connection, identity) if identity in truth.now else None,
            }
            name = rng.choice(sorted(what)) if identity in truth.now else "inserted"
            stage.note(f"a row of {chunk} is {name}")
            with stack:
                what[name]()


def _backends(stage: Stage) -> list[int]:
    with stage.world.connect() as connection:
        query = (
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend' order by pid"
        )
        return [row["pid"] for row in connection.execute(query)]


SCENARIOS: list[Callable[[Stage], None]] = [
    changed_meanwhile,
    restarted,
    changed_between_attempts,
    notices_lost,
    connections_ended,
    *(partial(_answers, name) for name in _ANSWERS),
    backend_killed,
    changed_meanwhile,
    no_connections,
    changed_between_attempts,
    locked,
]
