"""Large and slow results: files below `results/` in the lake, written while nobody has to wait for an answer.

A result has a folder of its own, whose name says when it expires: `state.json` says how far it is, and `rows.parquet` or
`rows.csv` has the rows. An instance of the service writes it, and every instance can tell of it, give it and call it off.
Whoever asks for a result whose instance has ended is told within a minute that it is lost, since the instance notes all the
time that it is there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict

from archival_core.errors import ArchivalError, PermanentError, TransientError
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.query.answer.answer import Answer
from archival_core.query.answer.notes import Note
from archival_core.query.queries import Queries
from archival_core.query.question.limits import Limits

_LOG = logging.getLogger(__name__)

ResultForm = Literal["parquet", "csv"]
Status = Literal["running", "done", "failed"]

#: Bytes that are sent to the lake, and given to whoever fetches a result, at a time.
PIECE: Final = 8 * 1024 * 1024
#: A mistake in the question shows by then, and is the answer; on a busy machine it shows in the state.
_AT_ONCE_SECONDS: Final = 4.0
_BEAT_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 2.0
#: After so long without a sign the instance that wrote the result is gone.
_SILENT_FOR: Final = timedelta(seconds=60)
_MOST_WAITING: Final = 8
#: What becomes of a result whose instance has ended, and what is said of it.
_LOST: Final = "result-lost"
_GONE: Final = "the instance of the service that wrote the result has ended, and the result is lost: ask again"


class ResultState(BaseModel):
    """How far a result is."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: Status
    #: in the lake
    path: str
    begun_at: datetime
    #: when the instance that writes it was last heard of
    seen_at: datetime
    expires_at: datetime
    columns: tuple[tuple[str, str], ...] = ()
    rows: int = 0
    bytes: int = 0
    cut: str | None = None
    figures: dict[str, Any] | None = None
    notes: tuple[Note, ...] = ()
    error_code: str | None = None
    error: str | None = None


class Results:
    """Begins results, tells of them, gives them, and calls them off."""

    def __init__(
        self,
        queries: Queries,
        lake: LakehouseClient,
        may_write: Callable[[], Awaitable[None]],
        *,
        limits: Limits,
        kept: timedelta,
    ) -> None:
        self._queries, self._lake, self._may_write = queries, lake, may_write
        self._limits, self._kept = limits, kept
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # one at a time: short questions have turns left
        self._turn = asyncio.Semaphore(1)
        self._is_closing = False

    async def begin(
        self, sql: str, form: ResultForm, as_text: Collection[str] = (), question: UUID | None = None
    ) -> ResultState:
        """Begin to write the result of `sql`; raises what shows at once, as `Queries.ask` does.

        By the id of its `question` it can be called off before its own is known.
        """
        self._queries.check_on()
        if len(self._tasks) >= _MOST_WAITING:
            raise TransientError(f"{len(self._tasks)} results are being written, or wait", code="query-busy")
        await self._may_write()
        now = datetime.now(UTC)
        result_id = paths.result_id(now + self._kept, question or uuid4())
        state = ResultState(
            id=result_id,
            status="running",
            path=f"{paths.result_folder(result_id)}/rows.{form}",
            begun_at=now,
            seen_at=now,
            expires_at=now + self._kept,
        )
        await self._lake.create_file(state.path)
        await self._write(state)
        failures: list[ArchivalError] = []
        task = asyncio.create_task(self._run(state, sql, form, as_text, failures))
        self._tasks[result_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(result_id, None))
        await asyncio.wait([task], timeout=_AT_ONCE_SECONDS)
        if failures:
            await self._lake.delete_tree(paths.result_folder(result_id))
            raise failures[0]
        return await self.state(result_id)

    async def state(self, result_id: str) -> ResultState:
        """How far it is; raises `PermanentError` (`result-not-found`)."""
        expiry, content = paths.result_expiry(paths.result_folder(result_id)), None
        if expiry is not None and expiry > datetime.now(UTC):
            content = await self._lake.read_if_there(_state_file(result_id))
        if content is None:
            raise PermanentError(f"there is no result {result_id[:60]}, or not any more", code="result-not-found")
        state = ResultState.model_validate_json(content)
        if state.status == "running" and state.seen_at < datetime.now(UTC) - _SILENT_FOR:
            return state.model_copy(update={"status": "failed", "error_code": _LOST, "error": _GONE})
        return state

    async def part(self, result_id: str, offset: int) -> bytes:
        """Bytes of a result that is done, `PIECE` of them at most; raises `PermanentError` (`result-not-done`, …)."""
        state = await self.state(result_id)
        if state.status != "done":
            raise PermanentError(f"the result is {state.status}", code="result-not-done")
        return await self._lake.read(state.path, offset, max(min(PIECE, state.bytes - offset), 0))

    async def cancel(self, result_id: str) -> None:
        """End it if it is being written, wherever, and remove it; raises `PermanentError` (`result-not-found`)."""
        result_id = self._written(result_id)
        state = await self.state(result_id)
        task = self._tasks.get(result_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        elif state.status == "running":
            # whoever writes it looks for this file, and removes it then
            await self._lake.create_file(_cancel_file(result_id))
            return
        await self._lake.delete_tree(paths.result_folder(result_id))

    def _written(self, asked: str) -> str:
        """The id of a result, which the id of its question says as well while it is written here."""
        try:
            number = UUID(asked).hex
        except ValueError:
            return asked
        return next((one for one in self._tasks if one.endswith(number)), asked)

    async def close(self) -> None:
        """Call off what is being written."""
        self._is_closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(
        self, state: ResultState, sql: str, form: ResultForm, as_text: Collection[str], failures: list[ArchivalError]
    ) -> None:
        beating = asyncio.create_task(self._beat(state, asyncio.current_task()))
        file = _LakeFile(self._lake, state.path)
        try:
            async with self._turn:
                answer = await self._queries.ask(sql, form, file, as_text=as_text, limits=self._limits)
            beating.cancel()
            size = await file.end()
            await self._write(_done(state, answer, size))
        except ArchivalError as error:
            failures.append(error)
            beating.cancel()
            await self._write(_ended(state, error.code, str(error)))
        except asyncio.CancelledError:
            beating.cancel()
            if self._is_closing:
                await self._write(_ended(state, _LOST, _GONE))
            else:
                await self._lake.delete_tree(paths.result_folder(state.id))
            raise
        except Exception as error:
            _LOG.exception("the result %s is not written", state.id)
            beating.cancel()
            await self._write(_ended(state, "internal", f"unexpected {type(error).__name__}: the log has more"))
        finally:
            beating.cancel()

    async def _beat(self, state: ResultState, task: asyncio.Task[None] | None) -> None:
        """Say now and then that it is still being written, and see whether somebody has called it off."""
        heard = state.seen_at
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if await self._lake.stat(_cancel_file(state.id)) is not None and task is not None:
                    task.cancel()
                    return
                if (datetime.now(UTC) - heard).total_seconds() >= _BEAT_SECONDS:
                    heard = datetime.now(UTC)
                    await self._write(state.model_copy(update={"seen_at": heard}))
            except ArchivalError as error:
                _LOG.warning("the result %s: %s", state.id, error)

    async def _write(self, state: ResultState) -> None:
        await self._lake.write_into(_state_file(state.id), state.model_dump_json().encode())


class _LakeFile:
    """A file in the lake that a result goes into, from a thread."""

    def __init__(self, lake: LakehouseClient, path: str) -> None:
        self._lake, self._path = lake, path
        self._loop = asyncio.get_running_loop()
        self._waiting, self._sent = bytearray(), 0

    async def begin(self) -> None:
        self._waiting, self._sent = bytearray(), 0
        await self._lake.create_file(self._path)

    def write(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) >= PIECE:
            asyncio.run_coroutine_threadsafe(self._send(PIECE), self._loop).result()

    async def end(self) -> int:
        """Make the file whole; returns its bytes."""
        if self._waiting:
            await self._send(len(self._waiting))
        await self._lake.flush(self._path, self._sent)
        return self._sent

    async def _send(self, size: int) -> None:
        await self._lake.append(self._path, bytes(self._waiting[:size]), self._sent)
        self._sent += size
        del self._waiting[:size]


def result_limits(limits: Limits, seconds: float, mib: int) -> Limits:
    """Those of results, where those of answers are `limits`: rows are not counted."""
    return replace(limits, seconds=seconds, bytes=mib * 1024 * 1024, rows=2**62)


def _state_file(result_id: str) -> str:
    return f"{paths.result_folder(result_id)}/state.json"


def _cancel_file(result_id: str) -> str:
    return f"{paths.result_folder(result_id)}/cancel"


def _done(state: ResultState, answer: Answer, size: int) -> ResultState:
    return state.model_copy(
        update={
            "status": "done",
            "seen_at": datetime.now(UTC),
            "columns": answer.columns,
            "rows": answer.rows,
            "bytes": size,
            "cut": answer.cut,
            "figures": json.loads(json.dumps(asdict(answer.figures))),
            "notes": answer.notes,
        }
    )


def _ended(state: ResultState, code: str, said: str) -> ResultState:
    return state.model_copy(update={"status": "failed", "seen_at": datetime.now(UTC), "error_code": code, "error": said})
