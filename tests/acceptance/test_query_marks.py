"""Which archives a question counts is said by the marks of its own snapshot, and by nothing else."""

from __future__ import annotations

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.query.kept_sessions import KeptSessions, LaterSession
from archival_core.source.state.marks import mark_schema
from archival_core.source.state.snapshot import moment, readable
from tests.kit.asking import asked, queries_of
from tests.kit.worlds import World


async def test_marks_and_rows_are_of_one_snapshot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    service = world.service
    await world.archive("jan", remove=True)
    await world.remove()
    await world.restore()
    [(rows,)] = service.rows("select count(*) from $s.jan")
    is_there = mark_schema.is_there

    async def removed_meanwhile(connection: object) -> bool:
        # what the transaction that drops a chunk commits at once: the rows are gone, and the archive stands in for them
        service.execute(
            "with gone as (delete from $s.jan)"
            " update archival_marks.stand_in set kind = 'removed' where hypertable = '$s.readings'"
        )
        return await is_there(connection)  # type: ignore[arg-type]

    monkeypatch.setattr(mark_schema, "is_there", removed_meanwhile)
    source = Database(service.runtime.settings.source_database_url)
    async with source.connect() as holder, LaterSession(KeptSessions(source, 1)) as beside:
        role = await readable.acting_role(holder, "")
        named = [t for t in await readable.readable_tables(holder, role, {"readings"}) if t.relation.schema == service.schema]
        async with moment.Moment(holder, beside.get, named, role) as then:
            cursor = await holder.execute(f"select from {service.schema}.jan".encode())
            assert (cursor.rowcount, then.standing) == (rows, ())
        monkeypatch.undo()
        async with moment.Moment(holder, beside.get, named, role) as then:
            cursor = await holder.execute(f"select from {service.schema}.jan".encode())
            assert (cursor.rowcount, len(then.standing)) == (0, 1)


async def test_the_ledger_is_not_asked_which_archives_count(world: World) -> None:
    service, queries = world.service, queries_of(world.service)
    sql = f"select count(*) as n from {service.schema}.readings"
    await world.archive("jan", remove=True)
    await world.remove()
    whole = (await asked(queries, sql)).result.to_pylist()
    with psycopg.connect(world.ledger_url or service.url) as connection:
        # a ledger that was put back to before the removal
        connection.execute("alter table archival.job disable trigger follow_job")
        connection.execute("update archival.job set status = 'archived' where status = 'removed'")
        connection.execute("alter table archival.job enable trigger follow_job")
    assert (await asked(queries_of(service), sql)).result.to_pylist() == whole
