"""What a restore puts where, and the errors that say why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection, sql

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Chunk, Column, Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.source.restore.columns.fitting import FittedColumn
from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.restore.plan.target import Target
from archival_core.source.restore.proof import row_hash
from archival_core.source.state.marks.copies import Copy
from archival_core.source.statement import expression, name_of

_INSERTION: Final = sql.SQL("INSERT INTO {into} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {staging}")


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """Which rows of which archive go into which table."""

    #: the job of the archive
    archive: UUID
    #: the archive's chunk, as it was
    chunk: Chunk
    #: how many rows the archive has
    rows: int
    columns: tuple[FittedColumn, ...]
    target: Target
    #: whether the rows go back to where they were. Otherwise they go into a table of their own, and the archive stands in for
    #: them still
    is_in_place: bool
    #: the table that the archive was taken from, by its identity, if that is known
    origin: TableIdentity | None
    #: how a copy is noted; `None` of a restore in place, and where the role may write no marks
    copy: Copy | None
    #: of the target, and its columns, as the plan was made
    identity: TableIdentity | None
    existing: tuple[Column, ...]
    #: by name of a column that is younger than the archive: PostgreSQL's text of what such old rows have in it
    stored_before: Mapping[str, str]
    #: rows of others may be in the archive's range, if none of them is a row of the archive
    beside: bool = False
    #: the triggers of the target may do again, for rows that come back, what they do for new rows
    fire_triggers: bool = False
    #: the rows' partition was missing, and its place was free, when that was looked at before the rows were loaded
    makes_partition: bool = False

    @property
    def there(self) -> sql.Composed:
        """SQL of the archive's range of the target."""
        return sql.SQL("{} WHERE {}").format(name_of(self.target.relation), row_hash.range_condition(self.chunk))

    def insertion(self, into: Relation, staging: StagingTable) -> sql.Composed:
        """SQL that inserts what is staged, without an end; what PostgreSQL computes is left to it."""
        given = [column for column in self.columns if column.target.generated not in ("stored", "virtual")]
        younger = [column for column in self.existing if column.name in self.stored_before]
        names = [sql.Identifier(column.name) for column in [*(column.target for column in given), *younger]]
        values: list[sql.Composable] = [
            *(expression(column.value) for column in given),
            *(sql.SQL("{}::{}").format(self.stored_before[column.name], expression(column.type_name)) for column in younger),
        ]
        return _INSERTION.format(
            into=name_of(into),
            names=sql.SQL(", ").join(names),
            values=sql.SQL(", ").join(values),
            staging=name_of(staging.relation),
        )


def would_double(plan: RestorePlan, there: int, equal: int | None = None) -> PermanentError:
    """The error where `there` rows are in the archive's range, `equal` of them the archive's own if that is known."""
    table, span = plan.target.relation, plan.chunk.range
    some = "" if equal is None else f", {equal} of which are the archive's"
    return PermanentError(
        f"{table} holds {there} rows from {span.start or 'its beginning'} to {span.end or 'its end'}{some}, and the archive has"
        f" {plan.rows}: nothing was restored, since rows could be there twice; restore into a table of its own,"
        " or, if the rows that are there are others, ask for the archive beside them",
        code="would-double",
    )


async def differs(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable, taken: int) -> PermanentError:
    """The error where the target took other rows than it was given, `taken` of them. It names the columns."""
    different = await row_hash.different_columns(conn, staging, plan.columns, plan.there)
    names = ", ".join(repr(column.target.name) for column in different) or "none by itself"
    if different and all(column.target.generated in ("stored", "virtual") for column in different):
        return PermanentError(
            f"{plan.target.relation} computes other values than the archive has: generated columns {names};"
            " restore into a table of its own, where they are plain columns",
            code="generated-differs",
        )
    return PermanentError(
        f"{plan.target.relation} took {taken} of {plan.rows} rows, or other values than it was given (columns that"
        f" differ: {names}): a trigger or a rule changes them; restore into a table of its own",
        code="placed-differs",
    )
