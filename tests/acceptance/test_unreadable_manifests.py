"""A manifest that the ledger cannot read any more is the trouble of its archive alone, in whatever a timer goes through."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from archival_core.errors import PermanentError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.acceptance.reconciling import MINUTE, TABLE, archive, reconcile
from tests.acceptance.test_former_servers import DUMPED, LATE, february, move

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service
    from tests.kit.worlds import World

pytestmark = pytest.mark.own_database

OTHER = TABLE.replace("$s.readings", "$s.other").replace("$s.jan", "$s.other_jan").replace("$s.feb", "$s.other_feb")


def break_january(service: Service, ledger_url: str | None = None) -> None:
    """The first archive of January has a manifest in which a column has a name alone."""
    with psycopg.connect(ledger_url or service.url, autocommit=True) as ledger:
        ledger.execute(
            "update archival.job set manifest = jsonb_set(manifest, '{columns}', '[{\"name\": \"time\"}]') where job_id ="
            " (select job_id from archival.job where chunk = %s order by requested_at limit 1)",
            (f"{service.schema}.jan",),
        )


def by_chunk(service: Service) -> dict[str, dict[str, Any]]:
    return {job["chunk"].rpartition(".")[2]: job for job in service.jobs()}


async def test_what_others_dropped_is_found_all_the_same(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    break_january(service)
    service.execute("drop table $s.jan, $s.feb")
    report = await reconcile(service)
    assert (report.missing_tables.removed, report.missing_tables.undecided, report.failed) == (1, 1, {})
    found = by_chunk(service)
    assert (found["jan"]["status"], found["feb"]["status"]) == ("archived", "removed")
    assert f"the manifest of {found['jan']['job_id']} is no manifest (columns.0.postgresql_type: Field required)" in caplog.text


@pytest.mark.usefixtures("at_once")
async def test_the_next_chunk_leaves_the_database_and_a_restore_says_why_not(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    await service.runtime.table_commits.commit_due(MINUTE)
    break_january(service)
    service.execute("update archival.job set remove = true")
    report = await service.runtime.chunk_removal.remove_due(MINUTE)
    assert (report.removed, len(report.kept)) == (1, 1)
    assert service.rows("select count(*) from $s.jan") == [(744,)]
    asked = RestoreRequest(Relation(service.schema, "readings"), None, ChunkRange(None, None), RestoreWish(), "k", "a test")
    with pytest.raises(PermanentError, match="is no manifest") as refused:
        await service.runtime.restore_requests.request(asked)
    assert refused.value.code == "invalid-manifest"


async def test_the_next_table_of_the_lake_is_compared(service: Service) -> None:
    service.execute(TABLE + OTHER)
    await archive(service, "jan")
    await service.publish(hypertable=f"{service.schema}.other", chunk=f"{service.schema}.other_jan")
    await service.work()
    await service.runtime.table_commits.commit_due(MINUTE)
    logs = [service.lake / "tables" / f"{service.schema}.{name}" / "_delta_log" for name in ("readings", "other")]
    for log in logs:
        shutil.rmtree(log)
    break_january(service)
    service.execute("update archival.lake_table set compared_at = null")
    report = await reconcile(service)
    assert list(report.failed) == [f"the table of {service.schema}.readings"]
    assert "is no manifest" in next(iter(report.failed.values()))
    assert [log.exists() for log in logs] == [False, True]


async def test_archives_of_a_former_server_are_decided_about(world: World) -> None:
    await world.archive("jan", "feb")
    await move(world, DUMPED, february(DUMPED), LATE, february(LATE))
    assert (await world.remove()).removed == 0
    await world.work()
    break_january(world.service, world.ledger_url)
    await world.reconcile()
    found = sorted((job["chunk"].rpartition(".")[2], job["status"]) for job in world.jobs())
    assert found == [("feb", "archived"), ("feb", "superseded"), ("jan", "archived"), ("jan", "archived")]
