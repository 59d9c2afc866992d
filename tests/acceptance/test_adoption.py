"""Archives that lie in the lake and that the ledger does not know, or knows wrongly."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from archival_core.ledger.archives.published import Archives, Publisher
from archival_core.model.jobs.job import Status
from archival_core.model.lake.manifest import Manifest
from dev.lake_emulator import Fault
from tests.acceptance.reconciling import (
    MINUTE,
    TABLE,
    archive,
    as_if_crashed_after_the_rename,
    folder,
    published,
    reconcile,
    remove,
    statuses,
)

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database


@pytest.mark.parametrize("status", ["failed", "queued", pytest.param("cancelled", marks=pytest.mark.slow)])
async def test_a_published_archive_without_a_row_is_adopted(service: Service, status: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    before = as_if_crashed_after_the_rename(service, status)
    report = await reconcile(service)
    assert report.adoption.adopted == [folder(service, "jan_r0")]
    [after] = service.jobs()
    told_later = {"announced", "finished_at", "messaged_at"}
    assert {k: v for k, v in after.items() if k not in told_later} == {k: v for k, v in before.items() if k not in told_later}
    assert len(service.files("manifests")) == 1
    assert (await reconcile(service)).is_empty
    service.execute("update archival.job set finished_at = now() - interval '1 hour'")
    assert (await reconcile(service)).announced == 1
    assert [result["type"] for result in await service.results()] == ["archival.chunk.archived"] * 2
    assert (await reconcile(service)).is_empty


async def test_an_archive_whose_row_is_gone_gets_one(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    [before] = service.jobs()
    service.execute("delete from archival.job")
    assert (await reconcile(service)).adoption.adopted == [folder(service, "jan_r0")]
    [after] = service.jobs()
    same = ("job_id", "status", "manifest", "lake_path", "rows", "relation_oid", "revision", "range_end", "parquet_bytes")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert (await reconcile(service)).is_empty


async def test_a_row_that_is_gone_comes_back_as_removed_if_the_source_says_so(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    await remove(service)
    await archive(service, "feb")
    # nobody was asked before people dropped the other one: who can write to the lake could have made its archive up
    service.execute("delete from archival.job; drop table $s.feb")
    report = await reconcile(service)
    assert sorted((job["chunk"].rpartition(".")[2], job["status"]) for job in service.jobs()) == [
        ("feb", "archived"),
        ("jan", "removed"),
    ]
    assert (report.missing_tables.removed, report.missing_tables.undecided) == (0, 1)


async def test_an_archive_of_another_database_is_none_of_ours(service: Service) -> None:
    """Two databases share a lake, and have tables of the same names."""
    service.execute(TABLE)
    await archive(service, "jan")
    [job] = service.jobs()
    identity = job["manifest"]["source"]["system_identifier"]
    for manifest in (service.lake / job["lake_path"] / "_manifest.json", service.lake / service.files("manifests")[0]):
        manifest.write_text(manifest.read_text().replace(f'"{identity}"', '"7"'))
    service.execute("delete from archival.job")
    before = service.files()
    report = await reconcile(service)
    assert (report.adoption.adopted, service.jobs(), service.files()) == ([], [], before)
    assert "archived from another database" in report.adoption.strays[folder(service, "jan_r0")]
    # and no reason to skip
    await archive(service, "jan")
    assert service.jobs()[0]["status"] != "skipped", service.jobs()[0]["error"]


async def test_what_a_later_archive_holds_is_superseded(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service)
    await archive(service, "jan")
    assert statuses(service) == ["failed", "archived"]
    # both hold the chunk's rows: a reader of the lake would see them twice
    assert published(service).count_rows() == 2 * 744
    report = await reconcile(service)
    assert report.adoption.retired == [folder(service, "jan_r0")]
    assert statuses(service) == ["superseded", "archived"]
    assert published(service).count_rows() == 744
    assert len(service.files(f"superseded/{service.schema}.readings/{service.schema}.jan_r0")) == 2
    assert (await reconcile(service)).is_empty


async def test_an_adopted_archive_takes_the_place_of_the_one_before(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("insert into $s.readings values ('2026-01-15Z', 1)")
    service.execute("update archival.job set remove = true, finished_at = now() - interval '2 days'")
    await service.runtime.chunk_removal.remove_due(MINUTE)
    await service.work()
    assert statuses(service) == ["superseded", "archived"]
    as_if_crashed_after_the_rename(service)
    shutil.move(
        service.lake / folder(service, "jan_r0").replace("tables", "superseded"), service.lake / folder(service, "jan_r0")
    )
    service.execute("update archival.job set status = 'archived' where status = 'superseded'")
    report = await reconcile(service)
    assert report.adoption.adopted == [folder(service, "jan_r1")]
    assert report.adoption.retired == [folder(service, "jan_r0")]
    assert statuses(service) == ["superseded", "archived"]
    assert published(service).count_rows() == 745
    # a crash after the row and before the move
    shutil.move(
        service.lake / folder(service, "jan_r0").replace("tables", "superseded"), service.lake / folder(service, "jan_r0")
    )
    assert (await reconcile(service)).adoption.retired == [folder(service, "jan_r0")]
    assert (await reconcile(service)).is_empty


async def test_what_is_no_archive_is_reported_and_stays(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    as_if_crashed_after_the_rename(service)
    [damaged] = [name for name in service.files("tables") if "jan" in name and name.endswith(".parquet")]
    with (service.lake / damaged).open("ab") as file:
        file.write(b"more")
    strange = service.lake / f"tables/{service.schema}.readings/strange"
    strange.mkdir()
    (strange / "_manifest.json").write_text('{"version": 1}')
    copy = service.lake / folder(service, "copy_r0")
    shutil.copytree(service.lake / folder(service, "feb_r0"), copy)
    (service.lake / "tables/loose.txt").write_text("x")
    before = service.files()
    for _ in range(2):
        report = await reconcile(service)
        assert sorted(report.adoption.strays) == sorted(
            [
                f"tables/{service.schema}.readings/strange",
                folder(service, "jan_r0"),
                folder(service, "copy_r0"),
                "tables/loose.txt",
            ]
        )
        assert "instead of" in report.adoption.strays[folder(service, "jan_r0")]
        # the archive that the copy was made of is as it was
        assert report.adoption.strays[folder(service, "copy_r0")].startswith("its manifest is that of ")
        assert report.adoption.adopted == []
    assert service.files() == before
    assert len(service.rows("select * from archival.stray")) == 4
    shutil.rmtree(strange)
    await reconcile(service)
    assert len(service.rows("select * from archival.stray")) == 3


@pytest.mark.parametrize("status", [Status.ARCHIVED, Status.SUPERSEDED])
async def test_what_another_run_records_meanwhile_is_no_stray(
    service: Service, monkeypatch: pytest.MonkeyPatch, status: Status
) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service)
    publisher = Archives.publisher

    async def overtaken(archives: Archives, manifest: Manifest) -> Publisher:
        # another run writes the row, and has not moved the folder yet
        assert await archives.adopt(manifest, status)
        return await publisher(archives, manifest)

    monkeypatch.setattr(Archives, "publisher", overtaken)
    report = await reconcile(service)
    assert (report.adoption.adopted, report.adoption.strays) == ([], {})
    assert statuses(service) == [status]


async def test_what_cannot_be_looked_at_now_is_no_stray(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_if_crashed_after_the_rename(service)
    service.emulator.faults.append(
        Fault(method="GET", contains="jan_r0/_manifest", status=403, code="AuthorizationFailure", times=99)
    )
    report = await reconcile(service)
    assert (report.adoption.postponed, report.adoption.strays, report.adoption.adopted) == (1, {}, [])
    service.emulator.faults.clear()
    assert (await reconcile(service)).adoption.adopted == [folder(service, "jan_r0")]


async def test_an_archive_that_another_one_names_is_out_of_the_way(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    # the rows of january were restored, and archived again in a chunk of another name
    service.execute(
        f"update archival.job set manifest = jsonb_set(manifest, '{{supersedes}}', '[\"{folder(service, 'jan_r0')}\"]')"
        " where chunk like '%feb'"
    )
    assert (await reconcile(service)).adoption.retired == [folder(service, "jan_r0")]
    assert sorted(statuses(service)) == ["archived", "superseded"]
    assert (await reconcile(service)).is_empty
