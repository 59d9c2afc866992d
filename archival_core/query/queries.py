"""Questions to the source and the lake as one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from archival_core.clients.postgres.database import Connection, Database, process_of
from archival_core.errors import ArchivalError, AwayError, GaveWayError, PermanentError, TransientError
from archival_core.lake.client import LakehouseClient
from archival_core.query.answer.answer import Answer, Collected, Figures
from archival_core.query.answer.notes import Note
from archival_core.query.answer.sinks import Buffer, Sink
from archival_core.query.archives.archives import Archives, Ledgers
from archival_core.query.archives.copies import note_of_copies
from archival_core.query.archives.former import note_of
from archival_core.query.calling_off import CallingOff
from archival_core.query.kept_sessions import APPLICATION, KeptSessions, LaterSession
from archival_core.query.question.forms import Form
from archival_core.query.question.limits import Limits
from archival_core.query.question.naming import columns_named, resolved
from archival_core.query.question.statement import Statement
from archival_core.query.scans.live_plan import chunks_read
from archival_core.query.watching import Watched
from archival_core.source.state.snapshot import readable
from archival_core.source.state.snapshot.moment import Moment, TableThen

if TYPE_CHECKING:
    from archival_core.query.archives.unexplained import Unexplained
    from archival_core.query.engine.whole_table import WholeTable
    from archival_core.query.process.workers import Worker, Workers

#: Snapshots that are taken for one question where tables change while they are about to be read.
_TRIES: Final = 6
#: An archive may have been restored and retired since the snapshot, and the snapshot may be another server's.
_AGAIN: Final = frozenset({"archive-unreadable", "moment-passed", "snapshot-lost"})
#: In seconds: a source that is found away so soon may have ended a kept session alone, and take a new session.
_SOON: Final = 1.0


class Queries:
    """Answers questions, each from one snapshot and in a process of its own; a few at a time."""

    def __init__(
        self,
        source: Database,
        lake: LakehouseClient,
        ledger: Ledgers | None,
        arrow_files: partial[tuple[Any, str]],
        *,
        role: str | None = "",
        limits: Limits | None = None,
        at_a_time: int = 2,
        workers: Workers | None = None,
    ) -> None:
        self._source, self._arrow_files = source, arrow_files
        self.archives = Archives(ledger, lake)
        #: `None`: no questions; empty: the session's own
        self._role = role
        self.limits = limits or Limits()
        self.calling_off = CallingOff()
        self._turns, self._sessions = asyncio.Semaphore(at_a_time), KeptSessions(source, at_a_time)
        #: of its own, made for the first question, unless they are given
        self._given = workers
        self._own: Workers | None = None

    @property
    def _workers(self) -> Workers:
        if self._given is not None:
            return self._given
        if self._own is None:
            from archival_core.query.process.workers import Workers

            self._own = Workers()
        return self._own

    def check_on(self) -> None:
        """Raise `PermanentError` (`queries-off`) where questions are not answered."""
        if self._role is None:
            raise PermanentError(
                "questions are not answered here until the setting QUERY_ROLE names the role that they read tables as: with it"
                " whoever has the key reads what that role may read",
                code="queries-off",
            )

    async def close(self) -> None:
        """End the processes and the sessions that wait for questions."""
        await self._sessions.close()
        if self._own is not None:
            await asyncio.to_thread(self._own.close)

    async def ask(
        self,
        sql: str,
        form: Form,
        sink: Sink,
        *,
        as_text: Collection[str] = (),
        limits: Limits | None = None,
        explain: bool = False,
    ) -> Answer:
        """Write the rows that `sql` gives into `sink`, in `form`, as many as the limits allow.

        With `explain` the question is answered as ever, and what it read is told in the place of the rows.
        `as_text` names columns whose values are wanted as PostgreSQL's text. Raises `PermanentError`: `query-invalid`,
        `query-refused`, `unknown-table`, `query-time`, `query-memory`, `query-failed`, `row-too-large`, `value-without-form`,
        `query-role`, `numbers-as-text`, …; and `TransientError`, among them `GaveWayError` where somebody waits to alter a
        table, and `query-busy` where no turn came.
        """
        self.check_on()
        limits = limits or self.limits
        begun = time.monotonic()
        own_reader = hands_down = True
        async with self._turn(limits):
            for tried in range(1, _TRIES + 1):
                try:
                    async with self._ready(sql) as (worker, statement, holder, role):
                        await sink.begin()
                        way = (explain, own_reader, hands_down)
                        answer = await self._once(worker, statement, holder, role, form, sink, frozenset(as_text), limits, *way)
                except ArchivalError as error:
                    if error.code == "large-values" and own_reader and tried < _TRIES:
                        own_reader = False
                        continue
                    if error.code == "filter-without-form" and hands_down and tried < _TRIES:
                        hands_down = False
                        continue
                    ended = isinstance(error, AwayError) and tried == 1 and time.monotonic() - begun < _SOON
                    again = error.code in _AGAIN or isinstance(error, GaveWayError) or ended
                    if not again or tried == _TRIES or time.monotonic() - begun > limits.seconds / 2:
                        raise
                    # the kept ones may lead to a server that the source's address does not lead to any more
                    self._sessions.forget()
                    await asyncio.sleep(0.05 * tried)
                    continue
                figures = replace(answer.figures, seconds=time.monotonic() - begun, snapshots=tried)
                return replace(answer, figures=figures)
        raise AssertionError("the last try returns or raises")

    async def collected(
        self,
        sql: str,
        form: Form,
        *,
        max_rows: int | None = None,
        as_text: Collection[str] = (),
        limits: Limits | None = None,
        explain: bool = False,
    ) -> Collected:
        """The rows in memory, in `form`; raises as `ask`."""
        limits = limits or self.limits
        if max_rows is not None:
            limits = replace(limits, rows=min(max_rows, limits.rows))
        buffer = Buffer()
        answer = await self.ask(sql, form, buffer, as_text=as_text, limits=limits, explain=explain)
        return Collected(answer, bytes(buffer.content))

    @asynccontextmanager
    async def _ready(self, sql: str) -> AsyncIterator[tuple[Worker, Statement, Connection, str]]:
        """A process that has read the statement, and a session of the source with the role of the question, meanwhile."""

        async def opened() -> tuple[Connection, str]:
            holder = await stack.enter_async_context(self._sessions.connect())
            return holder, await readable.acting_role(holder, self._role or "")

        async with AsyncExitStack() as stack:
            opening = asyncio.create_task(opened())
            try:
                worker, statement = await stack.enter_async_context(self._worker(sql))
                holder, role = await opening
            finally:
                # of a statement that is refused, that is what is told
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
            yield worker, statement, holder, role

    @asynccontextmanager
    async def _worker(self, sql: str) -> AsyncIterator[tuple[Worker, Statement]]:
        """A process, which nobody else asks meanwhile, and what it reads of the statement."""
        workers = self._workers
        taking = asyncio.create_task(asyncio.to_thread(workers.take, sql))
        try:
            worker, statement = await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(partial(_give_back, workers))
            raise
        try:
            yield worker, statement
        finally:
            workers.give_back(worker)

    @asynccontextmanager
    async def _turn(self, limits: Limits) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._turns.acquire(), limits.seconds)
        except TimeoutError:
            raise TransientError("other questions are being answered", code="query-busy") from None
        try:
            yield
        finally:
            self._turns.release()

    async def _once(
        self,
        worker: Worker,
        statement: Statement,
        holder: Connection,
        role: str,
        form: Form,
        sink: Sink,
        as_text: frozenset[str],
        limits: Limits,
        explain: bool,
        own_reader: bool,
        hands_down: bool,
    ) -> Answer:
        from archival_core.query.process.asked import Asked

        async with LaterSession(self._sessions) as aside:
            named = resolved(statement.tables, await readable.readable_tables(holder, role, {t.name for t in statement.tables}))
            async with Moment(holder, aside.get, named, role) as then:
                unexplained = await self.archives.learn(then)
                texts = columns_named(as_text, then.then)
                tables = [await self._whole(table, then, unexplained, texts) for table in then.then]
                asked = Asked(
                    statement=statement,
                    tables=tables,
                    form=form,
                    limits=limits,
                    explain=explain,
                    own_reader=own_reader,
                    hands_down=hands_down,
                    database_url=await self._source.url(),
                    snapshot_id=then.snapshot_id,
                    settings={
                        "application_name": APPLICATION,
                        "statement_timeout": str(int(limits.seconds * 1000) + 1000),
                        "role": role,
                    },
                    arrow_files=self._arrow_files,
                )
                notes = await self._notes(then, tables)
                watched = Watched(self._sessions, then, process_of(holder), aside)
                done = await watched.answer(worker, asked, sink.write)
                for told in done["tables"] or ():
                    told["chunks"] = await chunks_read(holder, then, told)
        figures = Figures(
            archives=sum(len(table.archives) for table in tables),
            archives_read=done["archives_read"],
            files_read=done["files_read"],
            bytes_read=done["bytes_read"],
            live_rows=done["live_rows"],
            seconds=0,
            snapshots=1,
        )
        columns = tuple((name, kind) for name, kind in done["columns"])
        return Answer(columns, done["rows"], done["cut"], figures, tuple(done["tables"]) if explain else None, notes)

    async def _notes(self, then: Moment, tables: Sequence[WholeTable]) -> tuple[Note, ...]:
        found = [note_of_copies(table.then, table.archives) for table in tables]
        names = {str(table.table.relation) for table in then.then}
        marks = [mark for mark in then.standing if mark.hypertable in names]
        if marks:
            assert then.server is not None
            owners = await self.archives.owners(marks, then.server)
            found += [await note_of(table.table.relation, table.identity, owners, then) for table in then.then]
        return tuple(note for note in found if note is not None)

    async def _whole(self, table: TableThen, then: Moment, unexplained: Unexplained, as_text: frozenset[str]) -> WholeTable:
        from archival_core.query.engine.whole_table import WholeTable

        if table.table.kind == "plain":
            return WholeTable(table, (), {}, as_text)
        archives = await self.archives.of(table, then, unexplained)
        return WholeTable(table, tuple(archives), await self.archives.stored_before(table, then, archives), as_text)


def _give_back(workers: Workers, taken: asyncio.Task[tuple[Worker, Statement]]) -> None:
    """What was taken for a question that was called off meanwhile."""
    if not taken.cancelled() and taken.exception() is None:
        workers.give_back(taken.result()[0])
