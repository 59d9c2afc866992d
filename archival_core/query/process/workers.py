"""Processes of questions, as the service has them: made when they are needed, kept warm for a while, ended at any moment."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from archival_core.errors import ArchivalError, PermanentError, TransientError
from archival_core.query.process import frames
from archival_core.query.process.asked import Asked, pickled
from archival_core.query.question.statement import Statement, TableName

_LOG = logging.getLogger(__name__)

#: A statement is read in milliseconds.
_PATIENCE_SECONDS: Final = 2.0
_MODULE: Final = "archival_core.query.process.worker"
#: What a process of questions is told of the environment; of the service's settings it needs none.
_TOLD: Final = ("AZURE_", "IDENTITY_", "IMDS_", "MSI_", "PG", "SSL_", "KRB5", "LC_", "OPENSSL_")
_TOLD_NAMES: Final = frozenset(
    {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "TEMP", "TMP", "USER", "USERPROFILE", "APPDATA", "SYSTEMROOT", "LD_LIBRARY_PATH"}
)
#: glibc reserves memory for as many arenas as there are threads, otherwise. It would come to these thresholds by itself in some
#: processes, and in others it asks the kernel for each piece of a file anew, which is a tenth of a scan.
_GLIBC: Final = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
}
_SAID: Final = {"ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONUNBUFFERED": "1"} | _GLIBC
_SIGNALS_OF_MEMORY: Final = frozenset({-signal.SIGABRT, -9, -7})


@dataclass(frozen=True, slots=True)
class Serving:
    """What the service does for a question while a process answers it; called in the thread that waits for the answer."""

    #: the table with this oid is still what the snapshot says, or an error
    check: Callable[[int], None]
    #: a session of the source is open, or is not any more
    session: Callable[[int, bool], None]
    #: end the sessions
    end: Callable[[], None]
    #: the next bytes of the result
    write: Callable[[bytes], None]


class Worker:
    """One process. A thread that calls it waits for it; `kill` may be called from any thread."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(os.environ),
            # Ctrl-C is for whoever asks, who ends this process
            process_group=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._inward, self._outward = self._process.stdout, self._process.stdin
        self._killed = False
        #: of the question that is answered, or was the last one
        self._number = 0

    def parse(self, sql: str, seconds: float | None = None) -> Statement:
        """The statement; raises as `statement.parse`, and `WorkerGoneError`, also after `seconds` of silence."""
        self._tell({"kind": "parse", "sql": sql})
        if seconds is not None and not self._says_something(seconds):
            raise WorkerGoneError(None)
        done = self._done(_NOTHING)
        return Statement(sql, frozenset(TableName(schema, name) for schema, name in done["tables"]))

    def answer(self, asked: Asked, serving: Serving) -> dict[str, Any]:
        """What became of the result, after `serving.write` has taken it; raises as `Queries.ask`, and `WorkerGoneError`."""
        self._number += 1
        self._tell({"kind": "answer", "number": self._number}, pickled(asked))
        return self._done(serving)

    def kill(self) -> None:
        """End it, whatever it does."""
        self._killed = True
        self._process.kill()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return not self._killed and self._process.poll() is None

    def close(self) -> None:
        """End it, and wait until it has ended."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._inward, self._outward):
            with suppress(OSError):  # of what was not sent any more
                pipe.close()

    def _says_something(self, seconds: float) -> bool:
        waiting = select.poll()
        waiting.register(self._inward, select.POLLIN)
        return bool(waiting.poll(seconds * 1000))

    def _tell(self, head: dict[str, Any], body: bytes = b"") -> None:
        try:
            frames.write(self._outward, head, body)  # type: ignore[arg-type]
        except (OSError, ValueError) as error:
            raise self._gone() from error

    def _done(self, serving: Serving) -> dict[str, Any]:
        while True:
            try:
                frame = frames.read(self._inward, frames.MOST_BODY)  # type: ignore[arg-type]
            except (OSError, ValueError) as error:
                raise self._gone() from error
            if frame is None:
                raise self._gone()
            head, body = frame
            match head["kind"]:
                case "done":
                    return head
                case "error":
                    raise frames.error_of(head)
                case "defect":
                    _LOG.error("a question met a defect in its process: %s", head["trace"])
                    raise RuntimeError("a question met a defect in its process; the log has it")
                case _:
                    self._serve(serving, head, body)

    def _serve(self, serving: Serving, head: dict[str, Any], body: bytes) -> None:
        try:
            match head["kind"]:
                case "rows":
                    if head["number"] != self._number:
                        raise RuntimeError("a process of questions gave bytes of another question")
                    serving.write(body)
                case "session":
                    serving.session(int(head["pid"]), bool(head["open"]))
                case "check":
                    self._reply(partial(serving.check, int(head["table"])))
                case "end":
                    self._reply(serving.end)
        except BaseException:
            # it would go on with an answer that nobody takes
            self.kill()
            raise

    def _reply(self, serve: Callable[[], None]) -> None:
        try:
            serve()
        except ArchivalError as error:
            self._tell({"kind": "reply", **frames.told(error)})
        else:
            self._tell({"kind": "reply"})

    def _gone(self) -> ArchivalError:
        self._process.kill()
        code = self._process.wait()
        if self._killed:
            return TransientError("the question was called off", code="query-called-off")
        if code in _SIGNALS_OF_MEMORY:
            return PermanentError(
                "the question's process was ended, as it is where a question needs more memory than it may have, or than there"
                " is: group or join fewer rows at a time, or ask for smaller values",
                code="query-memory",
            )
        return WorkerGoneError(code)


class WorkerGoneError(TransientError):
    """The process ended by itself, or says nothing."""

    def __init__(self, code: int | None) -> None:
        what = "says nothing" if code is None else f"has ended with {code}"
        super().__init__(f"the process that answered the question {what}: ask again", code="query-process")


class Workers:
    """Processes that wait for questions. Several threads may take and give back."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        # a service that is forgotten without a word leaves no process
        self.close = weakref.finalize(self, _close, self._idle)

    def take(self, sql: str) -> tuple[Worker, Statement]:
        """A process, and what it reads of the statement; blocks. Raises as `statement.parse`."""
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            is_new = worker is None
            worker = worker or Worker()
            try:
                return worker, worker.parse(sql, None if is_new else _PATIENCE_SECONDS)
            except WorkerGoneError:
                # one that has waited for long ends by itself, and one may still wait for the lake, for an answer that is given
                worker.close()
                if is_new:
                    raise
            except ArchivalError:
                if not is_new and not worker.is_alive:
                    # it had ended while it waited, as the machine's memory came to an end
                    worker.close()
                    continue
                self.give_back(worker)
                raise
            except BaseException:
                worker.close()
                raise

    def give_back(self, worker: Worker) -> None:
        """It has answered."""
        if not worker.is_alive:
            worker.close()
            return
        with self._lock:
            self._idle.append(worker)


def _close(idle: list[Worker]) -> None:
    while idle:
        idle.pop().close()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    told = {name: value for name, value in own.items() if name.startswith(_TOLD) or name.upper() in _TOLD_NAMES}
    return told | _SAID | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _refuse(*_: Any) -> None:
    raise AssertionError("nothing is read to parse a statement")


_NOTHING: Final = Serving(_refuse, _refuse, _refuse, _refuse)
