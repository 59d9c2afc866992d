"""The columns that a chunk has in the lake's table are decided before the chunk is read."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from archival_core.clients.postgres.database import Connection
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.model.chunks.chunk import Column, Relation
from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.lake.lake_column import Decision, LakeColumn, SeenColumn, decide, learn
from archival_core.model.lake.manifest import Manifest
from archival_core.source.catalog.definition.defaults import stored_before
from archival_core.source.wire.columns import arrow_type

_LOG = logging.getLogger(__name__)


class LakeSchema:
    """The schemas of the tables in one lake."""

    def __init__(self, columns: LakeColumns) -> None:
        self._columns = columns

    async def columns_for(
        self,
        connection: Connection,
        hypertable: Relation,
        table: TableIdentity | None,
        columns: Sequence[Column],
        as_of: datetime,
        *,
        is_there: bool = True,
    ) -> tuple[LakeColumn, ...]:
        """The columns of the lake for `columns`, which the snapshot of `connection` shows; new ones are recorded.

        `table` is the identity of the hypertable's own table, `as_of` the time of the snapshot. Where not `is_there`, another
        table may have the hypertable's name by now, which says nothing about these columns.
        """
        seen = [SeenColumn(c.number, c.name, c.type_name, str(arrow_type(c))) for c in columns]
        known = await self._columns.columns_of(hypertable)
        decided = decide(known, seen, table, as_of)
        if not decided.changed:
            return decided.columns
        numbers = {column.number for column in known}
        new = [column.column for column in decided.columns if column.number not in numbers]
        defaults = await stored_before(connection, hypertable, new) if is_there else {}
        with_defaults = [replace(column, default=defaults.get(column.name)) for column in seen]
        return await self._columns.decide(hypertable, partial(decide, seen=with_defaults, table=table, as_of=as_of))

    async def learn(self, manifests: Iterable[Manifest]) -> None:
        """Record the columns that manifests tell of, where the ledger does not know them."""
        by_table: dict[str, list[Manifest]] = defaultdict(list)
        for manifest in sorted(manifests, key=lambda manifest: manifest.archived_at):
            if manifest.lake_columns:
                by_table[manifest.hypertable].append(manifest)
        for hypertable, of_table in by_table.items():
            await self._columns.decide(Relation.parse(hypertable), partial(_learned, manifests=of_table))


def _learned(known: tuple[LakeColumn, ...], manifests: Sequence[Manifest]) -> Decision:
    columns = {column.number: column for column in known}
    for manifest in manifests:
        decided = learn(tuple(columns.values()), manifest.lake_columns, manifest.archived_at)
        columns |= {column.number: column for column in decided.changed}
        if len(decided.columns) < len(manifest.lake_columns):
            _LOG.warning("%s has columns whose numbers or names in the lake are others' by now", manifest.lake_path)
    return Decision((), tuple(column for column in columns.values() if column not in known))
