"""A removal that compares for long lets go of the table when somebody waits to alter it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.flows.removal import trial
from archival_core.source.restore.proof.trial import check_same
from archival_core.source.state import fence
from tests.acceptance.altering import PATIENCE
from tests.kit.queued_ddl import Application
from tests.kit.readings import remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

#: as strong as an ALTER TABLE, and changes nothing
LOCK = "begin; lock table {0} in access exclusive mode; commit"

TABLE = """
create table $s.readings (time timestamptz not null, value numeric(8, 2)) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings select timestamptz '2026-01-01Z' + i * interval '5 minutes', i from generate_series(0, 799) i;
"""


def slowly(compare: Callable[..., Any], turn: int) -> Callable[..., Any]:
    """`compare`, whose call number `turn` takes as long as for very many rows: its transaction goes on in the server."""
    calls = 0

    async def compare_slowly(connection: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        same = await compare(connection, *arguments)
        if calls == turn:
            await connection.execute("select pg_sleep(10)")
        return same

    return compare_slowly


@pytest.mark.parametrize(("turn", "table"), [(1, "jan"), (2, "readings")], ids=["before the lock", "under the lock"])
async def test_rows_are_compared(service: Service, monkeypatch: pytest.MonkeyPatch, turn: int, table: str) -> None:
    monkeypatch.setattr(fence, "holds_same_rows", slowly(fence.holds_same_rows, turn))
    await give_way(service, table)


async def test_the_whole_archive_comes_back_in_trial(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "check_same", slowly(check_same, 1))
    await give_way(service, "jan", "delete from archival_marks.reading")


async def give_way(service: Service, table: str, beforehand: str = "select 1") -> None:
    service.execute(TABLE)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=True)
    await service.work()
    service.execute(beforehand)
    removing = asyncio.create_task(remove(service))
    application = Application(service.url)
    for _ in range(2):  # a question to the catalog may lock a table too, for a moment
        await application.until_locked(f"{service.schema}.{table}")
        await asyncio.sleep(0.3)
    waited = await application.alter(
        LOCK.format(f"{service.schema}.{table}"), f"select count(*) from {service.schema}.readings"
    )
    assert waited < PATIENCE
    assert (await asyncio.wait_for(removing, 5)).removed == 0
    [job] = service.jobs()
    assert (job["status"], job["removal_error"]["code"]) == ("archived", "gave-way")
    assert (await remove(service)).removed == 1
