"""A hypertable's chunk is made for the rows that come back, before the rows are placed.

From the making of a chunk to the end of the transaction TimescaleDB holds a lock, and everybody waits for it who needs a
new chunk of that hypertable: ingest too, when its time passes into the next chunk. Placing many rows takes long, so the
chunk is made in a short transaction of its own. One row goes in, and out again before anybody could see it, and the chunk
stays.
"""

from __future__ import annotations

import logging
from typing import Any, Final, LiteralString

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import tuple_row

from archival_core.source.restore.loading.staging import StagingTable
from archival_core.source.restore.placing.triggers import insert_and_delete_triggers
from archival_core.source.restore.plan.restore_plan import RestorePlan
from archival_core.source.session import READ_SETTINGS, pin_statement
from archival_core.source.statement import expression

_LOG = logging.getLogger(__name__)

# Where other tables refer to this table, a DELETE may take rows of theirs along.
_MAY_DELETE: Final[LiteralString] = """
SELECT has_table_privilege(%(table)s, 'DELETE')
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = to_regclass(%(table)s))
"""


_ONE_ROW: Final = sql.SQL("{} LIMIT 1 RETURNING tableoid::pg_catalog.regclass::text, ctid::text")
_DELETE: Final = sql.SQL(
    "DELETE FROM {chunk} WHERE ctid = {place}::pg_catalog.tid AND xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid"
)


async def make_chunk(conn: AsyncConnection[Any], plan: RestorePlan, staging: StagingTable) -> None:
    """Make the chunk if there is nothing in its range, on an idle connection. Without it the rows can be placed as well.

    Nothing is done where a trigger or a foreign key would see the row, or where the user may not delete.
    """
    target = plan.target.relation
    try:
        async with conn.transaction(), conn.cursor(row_factory=tuple_row) as cur:
            await cur.execute(pin_statement(READ_SETTINGS | {"lock_timeout": "10s"}))
            may_delete = await (await cur.execute(_MAY_DELETE, {"table": target.sql})).fetchone() == (True,)
            if not may_delete or await insert_and_delete_triggers(conn, target):
                return
            await cur.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(plan.there))
            if await cur.fetchone() is not None:
                return
            await cur.execute(_ONE_ROW.format(plan.insertion(target, staging)))
            for chunk, place in await cur.fetchall():
                # This very row is deleted, and no row that may have come meanwhile. Other chunks may be compressed, and
                # know no ctid.
                await cur.execute(_DELETE.format(chunk=expression(chunk), place=place))
                if cur.rowcount != 1:
                    raise psycopg.DataError(f"{cur.rowcount} rows deleted")
    except psycopg.Error as error:
        # whatever the error is, placing the rows meets it again and reports it
        _LOG.warning("%s: the chunk is not made beforehand: %s", target, error)
