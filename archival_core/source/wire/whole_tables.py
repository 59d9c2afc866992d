"""Rows of a whole table, its partitions included, as they are in an exported snapshot.

A message for each row is most of what a scan costs the client, and much of what it costs the server. Where PostgreSQL would
scan large partitions anyway, each partition's rows are gathered (`gathering`), one partition after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import pyarrow as pa

from archival_core.model.chunks.chunk import Relation, quote_literal
from archival_core.source.session import ALONE
from archival_core.source.state.snapshot.moment import passed
from archival_core.source.state.snapshot.parts import IS_LARGE
from archival_core.source.state.snapshot.waiting import Sessions
from archival_core.source.wire.columns import ColumnPlan
from archival_core.source.wire.driver import DatabaseUrl
from archival_core.source.wire.gathering import BY_PAGES, Gathering, NotJoinedError, is_cheap
from archival_core.source.wire.joined_session import JoinedSession, joined, local_settings
from archival_core.source.wire.packing import apart

#: Of fewer pages, to ask how they are best read takes as long as to read them.
_FEWEST_PAGES: Final = 2048
#: Each partition is a statement of its own: with fewer pages on average, statements cost more than messages.
_FEWEST_PAGES_EACH: Final = 32
# Estimates of the last vacuum or ANALYZE: to ask for the size of a file takes a call for each.
_IS_LARGE: Final[LiteralString] = (
    "SELECT pg_catalog.current_setting('server_version_num')::int >= 140000 AND pg_catalog.sum(c.relpages) >= {fewest}"
    " FROM pg_catalog.pg_class c WHERE c.oid = ANY ({members}::pg_catalog.oid[]) AND c.relkind IN ('r', 'm')"
)
# The pages of each table that is scanned, in the order of their names. A table that may not be read by itself, or has policies
# of its own, is read through the one above it; rights to some columns are no right to `ctid`. A partition may compute a virtual
# column otherwise than its table does.
_PAGES: Final[LiteralString] = f"""
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8,
       am.amname IS NOT DISTINCT FROM 'heap' AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
       AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND (c.oid = {{table}}::pg_catalog.regclass OR NOT c.relrowsecurity)
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
           WHERE a.attrelid = c.oid AND a.attname = ANY ({{columns}}::pg_catalog.text[]) AND NOT a.attisdropped
             AND (a.attgenerated = 'v' AND c.oid <> {{table}}::pg_catalog.regclass
                  OR a.attlen = -1 AND (pg_catalog.pg_relation_size(NULLIF(c.reltoastrelid, 0)) > 0 OR {IS_LARGE}))
       ), c.oid::pg_catalog.int8
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE (n.nspname, c.relname) IN ({{scanned}}) ORDER BY 1, 2
"""
_NULLS: Final[LiteralString] = """
SELECT attname::pg_catalog.text, pg_catalog.max(null_frac)::pg_catalog.float8 FROM pg_catalog.pg_stats
WHERE schemaname = {schema} AND tablename = {name} GROUP BY attname
"""

_RENAMED: Final[LiteralString] = """
SELECT pg_catalog.count(*) FROM unnest(ARRAY[{names}]::pg_catalog.text[], ARRAY[{oids}]::pg_catalog.oid[]) AS s (name, oid)
WHERE pg_catalog.to_regclass(s.name) IS DISTINCT FROM s.oid
"""

#: The plan that reads some columns, of whose values these shares are NULL; no more is known of the others.
type PlanOf = Callable[[Mapping[str, float]], ColumnPlan]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A table without partitions."""

    oid: int
    pages: int


@dataclass(frozen=True, slots=True)
class WholeTable:
    """A table in one snapshot of a database, and how its sessions are to be."""

    database_url: DatabaseUrl
    snapshot_id: str
    table: Relation
    #: oids of the tables in which its rows lie; empty where these may not be read one by one
    members: tuple[int, ...]
    #: for the length of each session's transaction
    settings: Mapping[str, str]
    sessions: Sessions
    #: raises where a table was changed since the snapshot; asked as soon as a session holds locks on all tables that are read
    check: Callable[[], None]

    def read(self, columns: Sequence[str], plan_of: PlanOf, condition: str) -> Generator[pa.RecordBatch]:
        """Stream `columns` of the rows for which `condition`, SQL, is true.

        Nothing is locked before: a table may have been dropped or rewritten since the snapshot. From the `check` on, which
        comes before the first batch, a session holds locks on all the tables that are read, until the end. Raises what `check`
        raises, and `TransientError` (`moment-passed`) where a table has another name at the end.
        """
        with ExitStack() as stack:
            session = stack.enter_context(joined(self.database_url, self.snapshot_id, ALONE, self.sessions))
            [(*_, is_large)] = session.rows(f"SELECT {local_settings(self.settings)}, {self._is_large}")
            one_by_one = self._query(plan_of({}), condition)
            leaves = self._leaves(session, columns, one_by_one) if is_large else None
            if leaves is not None:
                plan = plan_of(dict(session.rows(self._nulls)))
                if is_cheap(plan):
                    yield from map(plan.exact, self._gathered(stack, session, plan, leaves, condition, one_by_one))
                    return
            plan = plan_of({})
            with closing(session.batches(one_by_one)) as arriving:
                batches = self._checked(arriving)
                yield from map(plan.exact, (apart(one, plan.packed) for one in batches) if plan.packed else batches)

    def _checked(self, arriving: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # the statement has its locks once its first batch, or its end, has come
        first = next(arriving, None)
        self.check()
        if first is not None:
            yield first
            yield from arriving

    def _leaves(self, session: JoinedSession, columns: Sequence[str], query: str) -> dict[Relation, _Leaf] | None:
        """The tables that PostgreSQL scans for `query`, and has locked from now on; `None` if it finds the rows by an index, or
        if they cannot be gathered.
        """
        scanned = list(_scanned(json.loads(session.plan(query))))
        if not scanned or None in scanned:
            return None
        pairs = ", ".join(f"({quote_literal(one.schema)}, {quote_literal(one.name)})" for one in scanned if one is not None)
        names = f"ARRAY[{', '.join(map(quote_literal, columns))}]"
        rows = session.rows(_PAGES.format(table=quote_literal(self.table.sql), columns=names, scanned=pairs))
        leaves = {Relation(schema, name): _Leaf(oid, pages) for schema, name, pages, _, oid in rows}
        is_suited = len(leaves) == len(scanned) and all(suited for *_, suited, _ in rows)
        pages = sum(leaf.pages for leaf in leaves.values())
        return leaves if is_suited and pages >= _FEWEST_PAGES_EACH * len(leaves) else None

    def _gathered(
        self,
        stack: ExitStack,
        session: JoinedSession,
        plan: ColumnPlan,
        leaves: Mapping[Relation, _Leaf],
        condition: str,
        one_by_one: str,
    ) -> Generator[pa.RecordBatch]:
        self.check()
        session.set(BY_PAGES)
        outputs, wanted = plan.outputs, None if condition == "true" else condition
        for table, leaf in leaves.items():
            gathering = Gathering(table, outputs, range(leaf.pages), wanted)
            while gathering.pages:
                with closing(session.batches(gathering.query)) as groups:
                    try:
                        for arrived in groups:
                            rows = gathering.rows(arrived)
                            gathering = gathering.behind(arrived)
                            yield rows
                        break
                    except NotJoinedError as error:
                        gathering = gathering.with_arrays(error)
                # The session before has an answer of which nobody wants the rest, and asks nothing more. It keeps its locks
                # until the next one has them, unless it was ended: nobody would have noticed.
                with stack.pop_all():
                    session = stack.enter_context(joined(self.database_url, self.snapshot_id, ALONE, self.sessions))
                    session.set({**self.settings, **BY_PAGES})
                    session.plan(one_by_one)
                self.check()
            outputs = gathering.outputs
        # A schema is renamed whoever reads its tables: a statement may have found other tables by their names.
        names, oids = [quote_literal(table.sql) for table in leaves], [str(leaf.oid) for leaf in leaves.values()]
        if session.rows(_RENAMED.format(names=", ".join(names), oids=", ".join(oids))) != [(0,)]:
            raise passed()

    def _query(self, plan: ColumnPlan, condition: str) -> str:
        return f"SELECT {plan.select_list} FROM {self.table.sql} WHERE {condition}"

    @property
    def _is_large(self) -> str:
        members = f"'{{{','.join(map(str, self.members))}}}'"
        return f"({_IS_LARGE.format(fewest=_FEWEST_PAGES, members=members)})"

    @property
    def _nulls(self) -> str:
        return _NULLS.format(schema=quote_literal(self.table.schema), name=quote_literal(self.table.name))


def _scanned(plan: Any) -> Iterator[Relation | None]:
    """Every table that a plan scans; `None` in the place of whatever else gives rows."""
    if isinstance(plan, list):
        for item in plan:
            yield from _scanned(item)
    elif "Plan" in plan:
        yield from _scanned(plan["Plan"])
    elif plan["Node Type"] == "Append" or plan.get("Custom Plan Provider") == "ChunkAppend":
        yield from _scanned(plan.get("Plans", []))
    elif plan["Node Type"] == "Seq Scan" and "Plans" not in plan:
        yield Relation(plan["Schema"], plan["Relation Name"])
    else:
        yield None
