"""DDL of people queues behind a lock of the service, and an application's SELECT queues behind the DDL: the service gives way.

PostgreSQL sees no deadlock there: the service holds a lock in one session and waits for the lake, or for a session of its own
that queues behind the DDL too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import psycopg

from tests.faults.host import Running
from tests.faults.stage import Stage, any_story, where_chunks_leave
from tests.faults.truth import SCHEMA, TABLE

_PARENT = f"{SCHEMA}.{TABLE}"
_SELECT = f"select count(*) from {_PARENT}"
#: What an application may wait behind an archive or a removal.
_MOST_SECONDS = 4.0
#: Behind a restore it waits as long as the transaction takes that places the rows; here that is short.
_MOST_AT_A_RESTORE = 8.0
#: How long each of the first requests to the lake takes that the function makes while it holds its locks.
_LAKE_SECONDS = 6.0
_LAKE_REQUESTS = {
    "archive_chunk": ("PATCH", "action=append"),
    "remove_chunks": ("GET", ".parquet"),
    "restore_chunk": ("GET", ".parquet"),
}
#: Which of the service's sessions hold a lock of one of these.
_HELD = """
select from pg_locks l join pg_class c on c.oid = l.relation join pg_stat_activity a on a.pid = l.pid
where l.granted and c.oid in (select to_regclass(name) from unnest(%s::text[]) as t (name))
  and a.application_name = 'archival_service'
"""

#: Steps between the lock and the commit, of a function whose lock is short.
_UNDER_LOCK = {"remove_chunks": "dropping|holds_same_rows|Removals.finish|marks.record", "restore_chunk": "placing|marks"}

#: What people do, in statements that each end their own transaction.
DDL: dict[str, str] = {
    "a column is added": f"alter table {_PARENT} add column later integer",
    "a default is set": f"alter table {SCHEMA}.m1 alter column note set default 'none'",
    "the chunk is emptied": f"truncate {SCHEMA}.m1",
    "the chunk is detached": f"alter table {_PARENT} detach partition {SCHEMA}.m1",
    "the chunk is packed": f"vacuum full {SCHEMA}.m1",
    "the chunk is dropped": f"drop table {SCHEMA}.m1",
    "the table is locked": f"do $$ begin lock table {_PARENT} in access exclusive mode; end $$",
}
_ROWS_GO = ("the chunk is emptied", "the chunk is detached", "the chunk is dropped")
_CHUNK_GOES = ("the chunk is detached", "the chunk is dropped")


@dataclass(slots=True)
class _Person:
    """Somebody else's session with one statement."""

    url: str
    statement: str
    done: threading.Event = field(default_factory=threading.Event)
    error: psycopg.Error | None = None
    pid: int = 0
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Returns when the statement waits for a lock, or is done."""
        connection = psycopg.connect(self.url, autocommit=True)
        self.pid = connection.info.backend_pid
        self._thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
        self._thread.start()
        with psycopg.connect(self.url, autocommit=True) as other:
            while not self.done.wait(0.02):
                if other.execute("select 1 from pg_locks where pid = %s and not granted", (self.pid,)).fetchone():
                    return

    def waited(self, most: float) -> float | None:
        """Seconds until it is done, `None` if it takes longer than `most`."""
        began = time.monotonic()
        return time.monotonic() - began if self.done.wait(most) else None

    def _run(self, connection: psycopg.Connection) -> None:
        try:
            with connection:
                connection.execute(self.statement.encode())
        except psycopg.Error as error:
            self.error = error
        finally:
            self.done.set()


@any_story
def queued(name: str, stage: Stage) -> None:
    """While the function is at a step that it may hold locks at, and the lake is slow."""
    function = stage.rng.choice([function for function in stage.story.functions if function in _LAKE_REQUESTS])
    stage.approach(function)
    method, contains = _LAKE_REQUESTS[function]
    stage.world.fault(method, contains, kind="delay", seconds=_LAKE_SECONDS, times=4)
    tables = [_PARENT, *(f"{SCHEMA}.{chunk}" for chunk in stage.story.chunks)] if _PARENT in DDL[name] else [f"{SCHEMA}.m1"]
    running = _paused_with_a_lock(stage, function, tables)
    stage.struck = running is not None
    if running is None:
        return
    people = _Person(stage.world.database_url, DDL[name])
    people.start()
    stage.struck = not people.done.is_set()
    stage.note(f"{name}, {'behind' if stage.struck else 'not behind'} {function}")
    try:
        _application(stage, running, function)
    finally:
        outcome = running.end()
    assert not outcome.killed, f"{function} did not end by itself"
    stage.world.servers.emulator.faults.clear()
    assert people.waited(30) is not None, "the DDL never ended"
    if people.error is None and name in _ROWS_GO:
        stage.world.truth.replaced(stage.world.truth.rows_of("m1"))
    if people.error is None and name in _CHUNK_GOES:
        stage.excused.add("m1")
    elif people.error is not None:
        assert isinstance(people.error, psycopg.errors.UndefinedTable), f"the DDL failed: {people.error}"


def _paused_with_a_lock(stage: Stage, function: str, tables: list[str]) -> Running | None:
    """Begin the function, and stop it at a step or at any moment at which it has a lock; `None` if it has ended without."""
    for _ in stage.story.chunks:  # in one of the messages it is about another chunk
        like = _UNDER_LOCK.get(function)
        running: Running | None
        if not stage.host.has_work(function):
            return None
        if like is None or stage.rng.random() < 0.3:
            running = stage.host.begin(function)
        else:
            running = stage.begin_until(function, stage.step(function, like))
            if running is not None and _has_a_lock(stage, tables):
                return running
            if running is not None:
                running.worker.resume()
        if running is not None and _pause_later(stage, running, tables):
            return running
    return None


def _pause_later(stage: Stage, running: Running, tables: list[str]) -> bool:
    """A lock is held for some milliseconds, or for as long as the lake takes."""
    seen, wanted = 0, stage.rng.choice([0, 0, 0, 1, 3, 10])
    while running.worker.process.is_alive():
        seen += _has_a_lock(stage, tables)
        if seen > wanted:
            running.worker.pause()
            if _has_a_lock(stage, tables):
                return True
            running.worker.resume()
        time.sleep(0.005)
    running.end()
    return False


def _has_a_lock(stage: Stage, tables: list[str]) -> bool:
    with stage.world.connect() as connection:
        return connection.execute(_HELD, (tables,)).fetchone() is not None


def _application(stage: Stage, running: Running, function: str) -> None:
    """It comes after the DDL, and the worker goes on."""
    application = _Person(stage.world.database_url, _SELECT)
    application.start()
    running.worker.resume()
    most = _MOST_AT_A_RESTORE if function == "restore_chunk" else _MOST_SECONDS
    waited = application.waited(most)
    stage.note(f"the application waited {waited if waited is not None else f'more than {most}'} s")
    assert waited is not None, f"the application waits for more than {most} s"


@where_chunks_leave
def _reads_meanwhile(how: str, stage: Stage) -> None:
    """Somebody's long transaction holds the chunk, the removal queues behind it, and other readers behind the removal."""
    stage.approach("remove_chunks")
    with psycopg.connect(stage.world.database_url) as reader:
        mode = {"reads": "access share", "writes": "row exclusive"}[how]
        reader.execute(f"lock table {SCHEMA}.m1 in {mode} mode".encode())
        running = stage.host.begin("remove_chunks")
        longest, deadline = 0.0, time.monotonic() + 9
        while running.worker.process.is_alive() and time.monotonic() < deadline:
            application = _Person(stage.world.database_url, _SELECT)
            began = time.monotonic()
            application.start()
            assert application.waited(_MOST_SECONDS) is not None, f"the application waits for more than {_MOST_SECONDS} s"
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.05)
        stage.note(f"an application waited {longest:.1f} s at most")
        stage.struck = longest > 0.2
    assert not running.end().killed, "the removal did not end by itself"


SCENARIOS: list[Callable[[Stage], None]] = [
    *(partial(queued, name) for name in DDL),
    partial(_reads_meanwhile, "reads"),
    partial(_reads_meanwhile, "writes"),
]
