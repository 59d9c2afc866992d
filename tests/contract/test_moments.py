"""A moment of the source passes when tables are changed that are about to be read."""

from __future__ import annotations

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.errors import TransientError
from archival_core.query.kept_sessions import KeptSessions, LaterSession
from archival_core.source.state.snapshot import moment, readable


@pytest.mark.parametrize(
    "change",
    [
        # each table is what it was; a statement finds another one by the name
        "ALTER SCHEMA {schema} RENAME TO {schema}_former; CREATE SCHEMA {schema}; CREATE TABLE {schema}.t (at int)",
        "ALTER SCHEMA {schema} RENAME TO {schema}_former; CREATE SCHEMA {schema}",
        "TRUNCATE {schema}.t0",
    ],
)
async def test_a_moment_passes(source_database_url: str, schema: str, change: str) -> None:
    source = Database(source_database_url)
    with psycopg.connect(source_database_url, autocommit=True) as other:
        other.execute(f"CREATE TABLE {schema}.t (at int) PARTITION BY RANGE (at)".encode())
        other.execute(f"CREATE TABLE {schema}.t0 PARTITION OF {schema}.t FOR VALUES FROM (0) TO (9)".encode())
        async with source.connect() as holder, LaterSession(KeptSessions(source, 1)) as beside:
            role = await readable.acting_role(holder, "")
            named = [t for t in await readable.readable_tables(holder, role, {"t"}) if t.relation.schema == schema]
            async with moment.Moment(holder, beside.get, named, role) as then:
                await then.check(then.then[0])
                other.execute(change.format(schema=schema).encode())
                try:
                    with pytest.raises(TransientError) as raised:
                        await then.check(then.then[0])
                finally:
                    await holder.execute("ROLLBACK")
                    other.execute(f"DROP SCHEMA IF EXISTS {schema}_former CASCADE".encode())
    assert raised.value.code == "moment-passed"
