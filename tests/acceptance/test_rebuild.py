"""The ledger from the lake alone: the same rows come back."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.errors import PermanentError
from archival_core.model.jobs.job import Status

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

ROOT = Path(__file__).parents[2]
MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s."M. är/z" partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-03-28Z', '1 hour') t;
"""
#: what a manifest knows of its job
KNOWN = (
    "job_id",
    "kind",
    "hypertable",
    "chunk",
    "range_start",
    "range_end",
    "status",
    "attempt",
    "revision",
    "settled",
    "relation_oid",
    "rows",
    "source_bytes",
    "parquet_bytes",
    "lake_path",
    "manifest",
    "error",
    "lease_until",
    "progress",
)


async def archive(service: Service, *chunks: str, remove: bool = False) -> None:
    for chunk in chunks:
        name = f'{service.schema}."{chunk}"'
        await service.publish(hypertable=f"{service.schema}.readings", chunk=name, remove=remove)
    await service.work()
    await service.runtime.chunk_removal.remove_due(MINUTE)


async def a_life(service: Service) -> None:
    """One archived, one removed, one changed and archived anew."""
    service.execute(TABLE)
    await archive(service, "M. är/z")
    await archive(service, "feb", remove=True)
    await archive(service, "jan")
    service.execute("insert into $s.readings values ('2026-01-15Z', 1)")
    service.execute("update archival.job set remove = true where chunk like '%jan'")
    await service.runtime.chunk_removal.remove_due(MINUTE)
    service.execute("update archival.job set remove = false where status = 'queued'")
    await service.work()


def known(service: Service) -> list[dict[str, Any]]:
    return sorted(({name: job[name] for name in KNOWN} for job in service.jobs()), key=lambda job: str(job["job_id"]))


def forget(service: Service) -> None:
    service.execute("delete from archival.job")


async def test_the_same_rows_come_back(service: Service) -> None:
    await a_life(service)
    before = known(service)
    assert sorted(job["status"] for job in before) == ["archived", "archived", "removed", "superseded"]
    forget(service)
    report = await service.runtime.ledger_rebuild.rebuild()
    assert report.rows == {Status.ARCHIVED: 2, Status.REMOVED: 1, Status.SUPERSEDED: 1}
    assert (report.left_alone, report.missing, report.invalid, report.without_manifest) == (0, [], {}, [])
    assert known(service) == before
    # and they are as good as the old ones
    assert (await service.runtime.reconciler.reconcile(MINUTE)).is_empty
    assert (await service.runtime.verification.verify_due(MINUTE)).damaged == {}
    assert len(await service.results()) == 5, "what was told once is not told again"


async def test_the_columns_of_the_tables_in_the_lake_come_back(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "feb")
    service.execute("alter table $s.readings alter value type real; alter table $s.readings add n int default 7")
    await archive(service, "jan")
    look = f"select * from archival.lake_column where hypertable = '{service.schema}.readings' order by number"
    before = service.rows(look)
    assert [(row[7], row[11] is None) for row in before] == [
        ("time", True),
        ("value", False),
        ("value__2", True),
        ("n", True),
    ]
    forget(service)
    service.execute("delete from archival.lake_column")
    await service.runtime.ledger_rebuild.rebuild()
    after = service.rows(look)
    # manifests have the moment when a chunk was read, as the ledger does
    assert after == before


async def test_no_chunk_goes_on_the_grounds_of_what_was_found_in_the_lake(service: Service) -> None:
    await a_life(service)
    before = [service.rows(f"select * from $s.{table}") for table in ("jan", '"M. är/z"')]
    forget(service)
    await service.runtime.ledger_rebuild.rebuild()
    service.execute("update archival.job set remove = true")
    service.execute("update $s.jan set value = value + 1")
    # all rows are compared, and where they differ the chunk is archived again
    report = await service.runtime.chunk_removal.remove_due(MINUTE)
    assert (report.removed, list(report.kept)) == (1, [f"{service.schema}.jan"])
    assert "are not those of the archive" in report.kept[f"{service.schema}.jan"]
    assert len(service.rows("select * from $s.jan")) == len(before[0])
    # that takes the place of what was found, and the chunk goes on the grounds of that
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1
    assert sorted(job["status"] for job in service.jobs()) == ["removed"] * 3 + ["superseded"] * 2
    assert (await service.runtime.reconciler.reconcile(MINUTE)).is_empty


async def test_a_ledger_that_has_rows_is_only_added_to(service: Service) -> None:
    await a_life(service)
    before = known(service)
    with pytest.raises(PermanentError) as caught:
        await service.runtime.ledger_rebuild.rebuild()
    assert caught.value.code == "ledger-not-empty"
    service.execute("delete from archival.job where status <> 'removed'")
    first, second = await asyncio.gather(*(service.runtime.ledger_rebuild.rebuild(add=True) for _ in range(2)))
    assert sum(report.rows.get(status, 0) for report in (first, second) for status in Status) == 3
    assert first.left_alone + second.left_alone == 5
    assert known(service) == before


async def test_what_is_amiss_is_said(service: Service) -> None:
    await a_life(service)
    forget(service)
    jan, feb = (service.lake / f"tables/{service.schema}.readings/{service.schema}.{name}" for name in ("jan_r1", "feb_r0"))
    shutil.rmtree(feb)
    (service.lake / f"manifests/{service.schema}.readings/{jan.name}.json").unlink()
    (service.lake / f"manifests/{service.schema}.readings/odd.json").write_text('{"lake_path": "tables/../../x"}')
    report = await service.runtime.ledger_rebuild.rebuild()
    assert report.missing == [f"manifests/{service.schema}.readings/{feb.name}.json"]
    assert list(report.invalid) == [f"manifests/{service.schema}.readings/odd.json"]
    assert report.without_manifest == [f"tables/{service.schema}.readings/{jan.name}"]
    assert (await service.runtime.reconciler.reconcile(MINUTE)).adoption.adopted == report.without_manifest
    assert sorted(job["status"] for job in known(service)) == ["archived", "archived", "superseded"]


async def test_another_server_says_nothing_about_what_was_removed(service: Service) -> None:
    await a_life(service)
    forget(service)
    real = service.rows("select system_identifier::text from pg_control_system()")[0][0]
    for name in service.files("manifests"):
        file = service.lake / name
        file.write_text(file.read_text().replace(f'"{real}"', '"7"'))
    assert (await service.runtime.ledger_rebuild.rebuild()).rows == {Status.ARCHIVED: 3, Status.SUPERSEDED: 1}


@pytest.mark.timeout(480)
@pytest.mark.slow
async def test_the_command(service: Service) -> None:
    await a_life(service)
    before = known(service)

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "archival_core.rebuild_ledger", *arguments],
            env={**os.environ, **service.names},
            cwd=ROOT,
            capture_output=True,
            text=True,
            # with twenty others at the processor one took more than a minute
            timeout=150,
        )

    refused = await asyncio.to_thread(command)
    assert (refused.returncode, refused.stderr.count("--add")) == (1, 1), refused.stderr
    forget(service)
    done = await asyncio.to_thread(command)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["archived: 2", "removed: 1", "superseded: 1"]), done.stderr
    assert known(service) == before
    again = await asyncio.to_thread(command, "--add")
    assert again.stdout.splitlines() == ["no archive was added", "left alone: 4"]
