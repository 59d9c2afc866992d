"""The forms of TimescaleDB's own tables: which of these tables there are, and which columns they have."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString, Self

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from archival_core.errors import PermanentError

_LOG = logging.getLogger(__name__)

UNKNOWN: Final = "unknown-timescaledb"

#: What TimescaleDB stores where a range has no end.
NO_BEGIN: Final = -(2**63)
NO_END: Final = 2**63 - 1

_COLUMNS: Final[LiteralString] = """
SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb') AS version, c.relname::text AS name,
       array_agg(a.attname::text) AS columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = '_timescaledb_catalog'
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relname IN ('chunk', 'chunk_constraint', 'dimension', 'dimension_slice', 'compression_settings', 'hypertable',
                    'continuous_agg', 'continuous_aggs_bucket_function',
                    'continuous_aggs_hypertable_invalidation_log', 'continuous_aggs_materialization_invalidation_log',
                    'continuous_aggs_materialization_ranges')
GROUP BY c.relname
"""


@dataclass(frozen=True, slots=True)
class Form:
    """Which of the tables there are, and their columns."""

    version: str
    columns: Mapping[str, frozenset[str]]

    @classmethod
    async def of(cls, conn: AsyncConnection[Any]) -> Self:
        """The form of now, as the transaction of `conn` sees it."""
        async with conn.cursor(row_factory=dict_row) as cur:
            rows = await (await cur.execute(_COLUMNS)).fetchall()
        version = rows[0]["version"] if rows else None
        return cls(version or "of an unknown version", {row["name"]: frozenset(row["columns"]) for row in rows})

    def has(self, table: str, *columns: str) -> bool:
        """Whether `table` is there with all of `columns`."""
        return self.columns.get(table, frozenset()) >= set(columns)

    def unknown(self, what: str) -> PermanentError:
        """The error (`unknown-timescaledb`) to raise, which the log has as well; `what` follows "does not say"."""
        error = PermanentError(
            f"TimescaleDB {self.version} does not say {what} in any form that this service knows, so nothing is removed on"
            " that ground: update the service to a release that knows this version of TimescaleDB",
            code=UNKNOWN,
        )
        _LOG.error("%s", error)
        return error
