"""The process that answers questions, one after the other: `python -m archival_core.query.process.worker`.

It reads the lake and the source itself, so that all memory of a question is memory of this process (`bound`). The service holds
the snapshot, and is asked over the pipe whether tables are still what they were. When the service goes, so does this process.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final

import pyarrow as pa

from archival_core.errors import ArchivalError
from archival_core.query.answer.encoding import encode, read_only
from archival_core.query.engine.databases import Databases
from archival_core.query.engine.sandbox import Question, Sandbox
from archival_core.query.process import frames
from archival_core.query.process.asked import Asked
from archival_core.query.process.bound import be_the_first_to_go, bound, used
from archival_core.query.question.limits import too_large
from archival_core.query.question.statement import parse
from archival_core.query.scans.archived_rows import LakeFiles
from archival_core.query.scans.live_rows import MOST_AT_A_TIME, LiveSource
from archival_core.query.scans.threads import Threads
from archival_core.source.state.snapshot.moment import TableThen
from archival_core.source.state.snapshot.waiting import Sessions

#: A process that nobody asks anything any more ends.
_IDLE_SECONDS: Final = 120.0
#: Whoever asks one question after the other waits for no DuckDB that is made for the next one.
_SOON_SECONDS: Final = 0.02
#: for DuckDB before the first question
_TO_PARSE_MIB: Final = 256
#: A process that keeps more than this of earlier questions ends, and the next question has a new one.
_MOST_KEPT: Final = 256 * 1024 * 1024
_MOST_COMMAND: Final = 1024 * 1024 * 1024


class _Service:
    """The service, as this process talks to it."""

    def __init__(self, inward: BinaryIO, outward: BinaryIO) -> None:
        self._inward, self._outward = inward, outward
        self._writing, self._asking = threading.Lock(), threading.Lock()
        self._replies: queue.Queue[dict[str, Any]] = queue.Queue()
        self.commands: queue.Queue[tuple[dict[str, Any], bytes]] = queue.Queue()
        threading.Thread(target=self._listen, name="service", daemon=True).start()

    def tell(self, head: dict[str, Any], body: bytes = b"") -> None:
        with self._writing:
            frames.write(self._outward, head, body)

    def ask(self, head: dict[str, Any]) -> None:
        """Wait for the service's word; raises what it answers."""
        with self._asking:
            self.tell(head)
            reply = self._replies.get()
        if "class" in reply:
            raise frames.error_of(reply)

    def write(self, number: int, data: bytes) -> None:
        """The next bytes of the result of this question."""
        for begin in range(0, len(data), frames.MOST_BODY):
            self.tell({"kind": "rows", "number": number}, data[begin : begin + frames.MOST_BODY])

    def _listen(self) -> None:
        while (frame := frames.read(self._inward, _MOST_COMMAND)) is not None:
            if frame[0]["kind"] == "reply":
                self._replies.put(frame[0])
            else:
                self.commands.put(frame)
        # nobody waits for the answer any more
        os._exit(0)


@dataclass(frozen=True, slots=True)
class _ToldSessions(Sessions):
    """Sessions that the service knows of, so that it can end them when this process cannot."""

    service: _Service | None = None

    @contextmanager
    def with_one_more(self, pid: int) -> Iterator[None]:
        assert self.service is not None
        self.service.tell({"kind": "session", "pid": pid, "open": True})
        try:
            yield
        finally:
            self.service.tell({"kind": "session", "pid": pid, "open": False})


class _Worker:
    """Answers what the service commands."""

    def __init__(self, service: _Service) -> None:
        self._service = service
        #: by how it was opened; its connections are kept for the next question
        self._lakes: dict[tuple[Any, ...], LakeFiles] = {}
        self._threads = Threads()
        self._databases = Databases()
        self._at_first = used()

    def run(self) -> None:
        while (command := self._next()) is not None:
            head, body = command
            try:
                done = self._parse(head["sql"]) if head["kind"] == "parse" else self._answer(head["number"], pickle.loads(body))  # noqa: S301  the service's own
            except ArchivalError as error:
                self._service.tell({"kind": "error", **frames.told(error)})
            except Exception:
                self._service.tell({"kind": "defect", "trace": traceback.format_exc()})
            else:
                self._service.tell({"kind": "done", **done})
            if head["kind"] == "parse":
                # meanwhile the service takes the snapshot
                self._databases.make()
                continue
            self._databases.close_used()
            if used() > self._at_first + _MOST_KEPT:
                return

    def _next(self) -> tuple[dict[str, Any], bytes] | None:
        """The next command; `None` when nobody asks anything any more."""
        for seconds in (_SOON_SECONDS, _IDLE_SECONDS):
            try:
                return self._service.commands.get(timeout=seconds)
            except queue.Empty:
                self._databases.make()
        return None

    def _parse(self, sql: str) -> dict[str, Any]:
        return {"tables": sorted((table.schema, table.name) for table in parse(sql).tables)}

    def _answer(self, number: int, asked: Asked) -> dict[str, Any]:
        bound(asked.limits.memory_mib)
        source = LiveSource(
            url=asked.database_url,
            snapshot_id=asked.snapshot_id,
            settings=dict(asked.settings),
            sessions=_ToldSessions(service=self._service),
            check=self._check,
            turns=threading.Semaphore(MOST_AT_A_TIME),
            threads=self._threads,
        )
        lake = partial(self._files, asked.arrow_files)
        question = Question(asked.statement, asked.tables, source, lake, asked.limits, asked.own_reader, asked.hands_down)
        sandbox = Sandbox(question, partial(self._service.ask, {"kind": "end"}), self._databases)
        try:
            sandbox.reading.explains = asked.explain
            write = partial(encode, asked.form, asked.limits, partial(self._service.write, number))
            found = sandbox.answer(read_only if asked.explain else write)
        except MemoryError as error:
            raise too_large(asked.limits) from error
        return {
            "columns": found.columns,
            "rows": found.rows,
            "cut": found.cut,
            "archives_read": len(sandbox.reading.archives_read),
            "files_read": len(sandbox.reading.files_read),
            "bytes_read": sandbox.reading.bytes_read,
            "live_rows": sandbox.reading.live_rows,
            "tables": [table.told() for table in sandbox.reading.tables.values()] if asked.explain else None,
        }

    def _check(self, table: TableThen) -> None:
        self._service.ask({"kind": "check", "table": table.table.oid})

    def _files(self, arrow_files: partial[tuple[Any, str]]) -> LakeFiles:
        if arrow_files.args not in self._lakes:
            self._lakes = {arrow_files.args: LakeFiles(*arrow_files())}
        return self._lakes[arrow_files.args]


def main() -> None:
    """Answer until the service has no more questions."""
    be_the_first_to_go()
    # whatever a library prints must not come between the frames
    outward = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    threading.stack_size(1024 * 1024)
    # DuckDB looks for pandas at each question: where it is not there it is looked for in vain, and where it is it takes long
    sys.modules["pandas"] = None  # type: ignore[assignment]
    # Arrow's own allocator reserves a gigabyte of addresses at a time, which the bound would count
    pa.set_memory_pool(pa.system_memory_pool())
    bound(_TO_PARSE_MIB)
    _Worker(_Service(sys.stdin.buffer, outward)).run()
    # threads of libraries have nothing to put in order
    os._exit(0)


if __name__ == "__main__":
    main()
