"""The lake goes back: to a second region that had not everything, or to a copy from before.

Nothing that is lost goes unnoticed, and no chunk goes whose archive could be lost so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.readings import archive

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', '6 hours') t;
"""


async def remove(service: Service) -> int:
    service.execute("update archival.job set removal_tried_at = null")
    return (await service.runtime.chunk_removal.remove_due(MINUTE)).removed


def refusals(service: Service) -> set[Any]:
    return {job["removal_error"]["code"] for job in service.jobs() if job["removal_error"]}


def told(service: Service, chunk: str) -> list[tuple[Any, ...]]:
    return service.rows(
        "select distinct f.problem, split_part(f.detail, '; ', 2) from archival.finding f join archival.job j using (job_id)"
        f" where j.chunk = '$s.{chunk}'"
    )


def copied(service: Service, name: str) -> Callable[[], None]:
    """Copy the lake; what is returned puts the copy in the lake's place."""
    copy = Path(service.emulator.root).with_name(name)
    shutil.copytree(service.emulator.root, copy)

    def put_back() -> None:
        shutil.rmtree(service.emulator.root)
        shutil.copytree(copy, service.emulator.root)

    return put_back


@pytest.mark.parametrize("sku", ["Standard_RAGRS", "Standard_RAGZRS"])
async def test_a_chunk_goes_when_its_archive_is_in_the_second_region(service: Service, sku: str) -> None:
    service.execute(TABLE)
    service.emulator.sku = sku
    await archive(service, "jan")
    for last_sync in (None, datetime.now(UTC) - timedelta(hours=1)):
        service.emulator.last_sync = last_sync
        forget(service)
        assert await remove(service) == 0
        [job] = service.jobs()
        assert (job["removal_error"]["code"], job["removal_error"]["transient"]) == ("lake-not-replicated", True)
    service.emulator.last_sync = datetime.now(UTC) + timedelta(minutes=1)
    forget(service)
    assert await remove(service) == 1


def forget(service: Service) -> None:
    """As if the time was over for which an answer of the account is believed."""
    region: Any = service.runtime.chunk_removal
    region._proof._second_region._synced = (None, 0.0)


@pytest.mark.parametrize("sku", ["Standard_GRS", "Standard_GZRS"])
async def test_a_second_region_that_nobody_can_read_keeps_chunks(service: Service, sku: str) -> None:
    service.execute(TABLE)
    service.emulator.sku = sku
    await archive(service, "jan")
    assert await remove(service) == 0
    assert refusals(service) == {"lake-replication-unknown"}
    region: Any = service.runtime.chunk_removal
    region._proof._second_region._replication = "geo"
    assert await remove(service) == 0
    assert refusals(service) == {"lake-replication-unknown"}
    region._proof._second_region._replication = "local"
    assert await remove(service) == 1


@pytest.mark.parametrize("sku", ["Standard_LRS", "Standard_ZRS", "Premium_LRS"])
async def test_an_account_of_one_region_is_asked_once(service: Service, sku: str) -> None:
    service.execute(TABLE)
    service.emulator.sku = sku
    await archive(service, "jan", "feb", "mar")
    assert await remove(service) == 3
    assert service.emulator.asked == 1


async def test_a_lake_that_went_back_is_looked_through_before_anything_goes(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    assert await remove(service) == 1
    put_back = copied(service, "before")
    await archive(service, "feb")
    assert await remove(service) == 1
    await archive(service, "mar")
    put_back()
    # the archive of mar is not there any more, that of feb was the only copy
    assert await remove(service) == 0
    assert refusals(service) == {"lake-back"}
    assert told(service, "feb") == []
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert report.lost_by_lake == 2
    [(problem, advice)] = told(service, "feb")
    assert (problem, advice.startswith("this was the only copy: bring it back")) == ("missing", True)
    assert told(service, "mar") == [("missing", "the chunk is still in the database: archive it again with force")]
    assert told(service, "jan") == []
    # all of it is known by now; what is damaged stays on its own account
    assert await remove(service) == 0
    assert refusals(service) == {"archive-damaged"}
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.mar", remove=True)
    service.execute("update archival.job set status = 'superseded' where chunk = '$s.mar' and status = 'archived'")
    await archive(service, "mar")
    assert await remove(service) == 1
    # the same copy, put back again, is another step back
    put_back()
    await service.runtime.reconciler.reconcile(MINUTE)
    assert ("missing", advice) in told(service, "mar")


async def test_one_chunk_is_looked_at_for_all_while_the_lake_is_back(service: Service) -> None:
    """Every look counts a chunk's rows, and thousands may be due."""
    service.execute(TABLE)
    await archive(service, "jan")
    put_back = copied(service, "before")
    assert await remove(service) == 1
    await archive(service, "feb", "mar")
    put_back()
    service.runtime._lake_marker._believed_until = 0.0
    report = await service.runtime.chunk_removal.remove_due(MINUTE)
    assert (report.removed, len(report.kept)) == (0, 1)
    assert refusals(service) == {"lake-back"}


async def test_what_is_archived_after_the_step_back_was_noticed_is_not_waited_for(service: Service) -> None:
    """A service that always archives something would never remove a chunk again."""
    service.execute(TABLE)
    await archive(service, "jan")
    put_back = copied(service, "before")
    await archive(service, "feb")
    assert await remove(service) == 2
    put_back()
    assert await service.runtime._lake_marker.look() is True
    await archive(service, "mar")
    assert await remove(service) == 0
    assert refusals(service) == {"lake-back"}
    # what may be missing is looked at, and mar is not: the next of many that come in between
    service.execute("update archival.job set verified_at = now() where status = 'removed'")
    assert await remove(service) == 1
    assert service.rows("select verified_at from archival.job where chunk = '$s.mar'") == [(None,)]


@pytest.mark.parametrize("what", ["marker gone", "marker unreadable", "all gone"])
async def test_a_lake_without_a_marker_that_can_be_read_went_back_too(service: Service, what: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    service.execute("update archival.job set remove = false where chunk = '$s.feb'")
    assert await remove(service) == 1
    marker = service.lake / "generation.json"
    assert marker.exists()
    if what == "all gone":
        shutil.rmtree(service.lake)
    elif what == "marker gone":
        marker.unlink()
    else:
        marker.write_text("{}")
    service.execute("update archival.job set remove = true where chunk = '$s.feb'")
    [(verified,)] = service.rows("select count(verified_at) from archival.job")
    assert verified == 0
    service.runtime._lake_marker._believed_until = 0.0
    assert await remove(service) == 0
    assert refusals(service) == {"lake-back"}
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert report.lost_by_lake == (2 if what == "all gone" else 0)
    assert await remove(service) == (0 if what == "all gone" else 1)


async def test_a_ledger_that_was_put_back_or_made_anew_is_no_lake_that_went_back(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", "mar")
    history = service.runtime._lake_marker
    for _ in range(3):
        assert await history.look(advance=True) is False
    for state in ("sequence = 1, token = gen_random_uuid()", "sequence = 0, token = null, written_at = null"):
        service.execute(f"update archival.lake_generation set {state}")
        assert await history.look() is False
    assert service.rows("select sequence, back_to from archival.lake_generation") == [(5, None)]
    assert await remove(service) == 3


async def test_a_marker_is_written_when_it_is_old_and_before_a_chunk_goes(service: Service) -> None:
    service.execute(TABLE)
    history = service.runtime._lake_marker
    await service.runtime.ownership.check()
    assert await history.look() is False
    assert await history.look() is False
    assert service.rows("select sequence from archival.lake_generation") == [(1,)]
    service.execute("update archival.lake_generation set written_at = now() - interval '61 minutes'")
    await history.look()
    await archive(service, "jan")
    assert await remove(service) == 1
    [(sequence, after)] = service.rows(
        "select g.sequence, g.written_at > j.finished_at from archival.lake_generation g, archival.job j"
    )
    assert (sequence, after) == (3, True)
