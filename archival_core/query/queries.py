"""Questions to the source and the lake as one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from archival_core.clients.postgres.database import Connection, Database
from archival_core.errors import ArchivalError, GaveWayError, PermanentError, TransientError
from archival_core.lake.client import LakehouseClient
from archival_core.query.archives import Archives, Ledgers
from archival_core.query.forms import Form
from archival_core.query.limits import Limits
from archival_core.query.statement import Statement, TableName, parse
from archival_core.source.state import moment, waiting
from archival_core.source.state.moment import Moment, NamedTable, TableThen
from archival_core.source.state.waiting import Sessions

if TYPE_CHECKING:
    from archival_core.query.answers import Collected
    from archival_core.query.archived_rows import LakeFiles
    from archival_core.query.sandbox import Take
    from archival_core.query.unexplained import Unexplained
    from archival_core.query.whole_table import WholeTable

APPLICATION: Final = "archival_query"
#: Snapshots that are taken for one question where tables change while they are about to be read.
_TRIES: Final = 6
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What an answer is made of."""

    #: that stand in for rows of the tables, and of these that were read; the others hold no row for the filters
    archives: int
    archives_read: int
    files_read: int
    #: of the files that were read, as they lie in the lake
    bytes_read: int
    #: that came from the database, filtered there as far as PostgreSQL can
    live_rows: int
    seconds: float
    #: snapshots that had to be taken
    snapshots: int


@dataclass(frozen=True, slots=True)
class Answer[T]:
    """What `take` made of a result, and its figures."""

    result: T
    figures: Figures


class Queries:
    """Answers questions, each from one snapshot; a few at a time."""

    def __init__(
        self,
        source: Database,
        lake: LakehouseClient,
        ledger: Ledgers | None,
        arrow_files: Callable[[], tuple[Any, str]],
        *,
        role: str | None = "",
        limits: Limits | None = None,
        at_a_time: int = 2,
    ) -> None:
        self._source, self._arrow_files = source, arrow_files
        self._archives = Archives(ledger, lake)
        #: `None`: no questions; empty: the session's own
        self._role = role
        self.limits = limits or Limits()
        self._turns = asyncio.Semaphore(at_a_time)

    @cached_property
    def _lake_files(self) -> LakeFiles:
        from archival_core.query.archived_rows import LakeFiles

        return LakeFiles(*self._arrow_files())

    async def ask[T](
        self,
        sql: str,
        take: Take[T],
        *,
        as_text: Collection[str] = (),
        limits: Limits | None = None,
    ) -> Answer[T]:
        """What `take`, in a thread, makes of the stream of rows that `sql` gives, and of its columns' types.

        `as_text` names columns whose values are wanted as PostgreSQL's text. Raises `PermanentError`: `query-invalid`,
        `query-refused`, `unknown-table`, `query-time`, `query-memory`, `query-failed`, `value-without-form`, `query-role`, …;
        and `TransientError`, among them `GaveWayError` where somebody waits to alter a table, and `query-busy` where no turn
        came.
        """
        if self._role is None:
            raise PermanentError(
                "questions are not answered here until the setting QUERY_ROLE names the role that they read tables as: with it"
                " whoever has the key reads what that role may read (docs/query.md)",
                code="queries-off",
            )
        limits = limits or self.limits
        statement = await asyncio.to_thread(parse, sql)
        begun = time.monotonic()
        async with self._turn(limits):
            for tried in range(1, _TRIES + 1):
                try:
                    result, figures = await self._once(statement, take, frozenset(as_text), limits)
                except ArchivalError as error:
                    # an archive may have been restored and retired since the snapshot
                    again = error.code in ("moment-passed", "archive-unreadable") or isinstance(error, GaveWayError)
                    if not again or tried == _TRIES or time.monotonic() - begun > limits.seconds / 2:
                        raise
                    await asyncio.sleep(0.05 * tried)
                    continue
                return Answer(result, replace(figures, seconds=time.monotonic() - begun, snapshots=tried))
        raise AssertionError("the last try returns or raises")

    async def collected(
        self, sql: str, form: Form, *, max_rows: int | None = None, as_text: Collection[str] = ()
    ) -> Answer[Collected]:
        """The rows in `form`, as many as the limits allow; raises as `ask`."""
        from archival_core.query.answers import collect

        limits = self.limits if max_rows is None else replace(self.limits, rows=min(max_rows, self.limits.rows))
        return await self.ask(sql, partial(collect, form, limits), as_text=as_text)

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

    async def _once[T](self, statement: Statement, take: Take[T], as_text: frozenset[str], limits: Limits) -> tuple[T, Figures]:
        from archival_core.query.live_rows import MOST_AT_A_TIME, LiveSource
        from archival_core.query.sandbox import Question, Sandbox

        loop = asyncio.get_running_loop()
        async with self._source.connect() as beside, self._source.connect() as holder:
            for connection in (beside, holder):
                await connection.execute(f"SET application_name = '{APPLICATION}'".encode())
            role = await moment.acting_role(beside, self._role or "")
            named = _resolved(statement.tables, await moment.tables(beside, role, {t.name for t in statement.tables}))
            sessions = Sessions()
            async with Moment(holder, beside, named, role) as then:
                unexplained = await self._archives.learn(then)
                tables = [await self._whole(table, then, unexplained, as_text) for table in then.then]

                def check(table: TableThen) -> None:
                    asyncio.run_coroutine_threadsafe(then.check(table), loop).result()

                def cancel() -> None:
                    asyncio.run_coroutine_threadsafe(self._end(sessions), loop).result()

                source = LiveSource(
                    url=self._source.url_now,
                    snapshot_id=then.snapshot_id,
                    settings={
                        "application_name": APPLICATION,
                        "statement_timeout": str(int(limits.seconds * 1000) + 1000),
                        "role": role,
                    },
                    sessions=sessions,
                    check=check,
                    turns=threading.Semaphore(MOST_AT_A_TIME),
                )
                sandbox = Sandbox(Question(statement, tables, source, lambda: self._lake_files, limits), cancel)
                with sessions.with_one_more(await waiting.session_of(holder)):
                    result = await self._watched(sandbox, take, named, sessions)
        reading = sandbox.reading
        return result, Figures(
            archives=sum(len(table.archives) for table in tables),
            archives_read=len(reading.archives_read),
            files_read=len(reading.files_read),
            bytes_read=reading.bytes_read,
            live_rows=reading.live_rows,
            seconds=0,
            snapshots=1,
        )

    async def _whole(self, table: TableThen, then: Moment, unexplained: Unexplained, as_text: frozenset[str]) -> WholeTable:
        from archival_core.query.whole_table import WholeTable

        if table.table.kind == "plain":
            return WholeTable(table, (), {}, as_text)
        archives = await self._archives.of(table, then, unexplained)
        return WholeTable(table, tuple(archives), await self._archives.stored_before(table, archives), as_text)

    async def _watched[T](self, sandbox: Any, take: Take[T], tables: Sequence[NamedTable], sessions: Sessions) -> T:
        """The answer, unless somebody waits for a lock that the question holds: whoever alters a table goes first."""
        work = asyncio.create_task(asyncio.to_thread(sandbox.answer, take))
        gave: str | None = None
        try:
            while not (await asyncio.wait([work], timeout=_LOOK_SECONDS))[0]:
                gave = gave or await self._who_waits(tables, sessions)
                if gave:
                    sandbox.stop()
                    await self._end(sessions)
        except BaseException:
            sandbox.stop()
            await asyncio.wait([work])
            raise
        try:
            found: T = work.result()
        except Exception as error:
            if gave:
                raise GaveWayError(f"{gave}, and goes first: ask again") from error
            raise
        return found

    async def _who_waits(self, tables: Sequence[NamedTable], sessions: Sessions) -> str | None:
        async with self._beside() as connection:
            for table in tables:
                if who := await waiting.who_waits(connection, sessions, table.relation):
                    return who
        return None

    async def _end(self, sessions: Sessions) -> None:
        async with self._beside() as connection:
            await waiting.end(connection, sessions)

    @asynccontextmanager
    async def _beside(self) -> AsyncIterator[Connection]:
        async with self._source.connect() as connection:
            await connection.execute(f"SET application_name = '{APPLICATION}'".encode())
            yield connection


def _resolved(asked: Collection[TableName], found: Sequence[NamedTable]) -> list[NamedTable]:
    """The tables that a statement means; names are spelled as in the catalog, or in other case."""
    chosen: dict[int, NamedTable] = {}
    for name in asked:
        schema = name.schema or "public"
        alike = [
            table
            for table in found
            if (table.relation.schema.lower(), table.relation.name.lower()) == (schema.lower(), name.name.lower())
        ]
        if len(alike) > 1:
            raise PermanentError(
                f"{', '.join(str(table.relation) for table in alike)} differ in case alone, which DuckDB takes for one name",
                code="query-names",
            )
        if not alike:
            raise PermanentError(
                f"there is no table {schema}.{name.name} that you may read; a chunk, a partition or a view is none by itself",
                code="unknown-table",
            )
        chosen[alike[0].oid] = alike[0]
    return list(chosen.values())
