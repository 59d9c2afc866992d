"""A question tells what was read for it, and why the rest was not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

TABLE = """
create table $s.readings (time timestamptz not null, device text, value int) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
create table $s.apr partition of $s.readings for values from ('2026-04-01Z') to ('2026-05-01Z');
insert into $s.readings select t, 'd' || n % 7, n
from generate_series(timestamptz '2026-01-01Z', '2026-04-30Z', '1 hour') with ordinality as g (t, n);
"""

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


async def _explained(service: Service, condition: str) -> dict[str, Any]:
    """The read of the only table, with archives and chunks by the last part of their names."""
    sql = f"select count(*) from {service.schema}.readings where {condition}"
    answer = await asked(queries_of(service), sql, explain=True)
    table: dict[str, Any]
    [table] = answer.tables
    assert table["table"] == f"{service.schema}.readings"
    table["archives"] = {archive["chunk"].rpartition(".")[2]: archive for archive in table["archives"]}
    table["chunks"] = {chunk["chunk"].rpartition(".")[2]: chunk["is_read"] for chunk in table["chunks"]}
    return table


async def test_archives_and_chunks_that_were_read_and_those_that_were_not(service: Service) -> None:
    service.execute(TABLE)
    for chunk in ("jan", "feb"):
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 2

    told = await _explained(service, "time >= '2026-02-10' and time < '2026-03-10'")
    jan, feb = told["archives"]["jan"], told["archives"]["feb"]
    assert (jan["is_read"], jan["why"], jan["bytes_read"]) == (False, "range", 0)
    assert (jan["begin"], jan["end"]) == ("2026-01-01T00:00:00Z", "2026-01-31T23:00:00Z")
    assert (feb["is_read"], feb["why"], feb["row_groups_read"]) == (True, None, 1)
    assert 0 < feb["bytes_read"] < feb["bytes"]
    assert told["chunks"] == {"mar": True, "apr": False}
    assert "2026-02-10" in told["conditions"][0]

    # within the range of time, statistics say that no row can be there
    told = await _explained(service, "value > 1000000")
    assert {archive["why"] for archive in told["archives"].values()} == {"statistics"}
    assert told["live_rows"] == 0

    # either of two ranges, alone and each with a condition of its own
    for condition in (
        "time < '2026-01-10' or time > '2026-04-20'",
        "(time < '2026-01-10' and device = 'd1') or (time > '2026-04-20' and device = 'd2')",
        "time in ('2026-01-09', '2026-04-21')",
    ):
        told = await _explained(service, condition)
        assert [name for name, archive in told["archives"].items() if archive["is_read"]] == ["jan"], condition
        assert told["chunks"] == {"mar": False, "apr": True}, condition

    # rows are counted, and not given
    sql = f"select * from {service.schema}.readings"
    answer = await asked(queries_of(service), sql)
    assert answer.tables is None
    assert answer.result.num_rows == 2857
