"""What others write into the lake is nobody's archive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance.promises import MINUTE, TABLE, archive, jobs, remove, restore, rows, statuses

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database


def forge(service: Service, source: Path, target: Path) -> None:
    """A folder like that of `source`, with another value in each row, and everything in it in order."""
    shutil.copytree(source, target)
    manifest = json.loads((target / "_manifest.json").read_text())
    for part in manifest["parts"]:
        table = pq.read_table(target / part["file"])
        changed = table.set_column(1, table.schema.field(1), pa.array([99] * table.num_rows, pa.int64()))
        pq.write_table(changed, target / part["file"])
    (target / "_manifest.json").write_text(json.dumps(manifest))


async def test_a_forged_folder_is_nobody_s_archive(service: Service) -> None:
    """Whoever can write to the lake puts a folder with the job's own id where the job will publish."""
    service.execute(TABLE)
    before = rows(service)
    await archive(service, "feb", remove=False)
    real = service.lake / jobs(service)[0]["lake_path"]
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=True)
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    planted = service.lake / f"tables/{service.schema}.readings/{service.schema}.jan_r0"
    forge(service, real, planted)
    text = (planted / "_manifest.json").read_text()
    for old, new in ((str(jobs(service)[0]["job_id"]), str(message.job_id)), (".feb", ".jan")):
        text = text.replace(old, new)
    (planted / "_manifest.json").write_text(text)
    await service.runtime.archival_processor.process(message)
    await service.runtime.reconciler.reconcile(MINUTE)
    assert statuses(service) == ["archived", "archived"]
    assert jobs(service)[1]["lake_path"].endswith("jan_r1")
    assert (await remove(service)).removed == 1
    assert (await restore(service, "jan"), rows(service)) == ([], before)
    # it stays where it is, and is reported
    assert [reason for _, reason in service.rows("select folder, reason from archival.stray")] != []


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
async def test_what_a_job_has_not_declared_is_not_adopted(service: Service, ended: str) -> None:
    service.execute(TABLE)
    await archive(service, "feb", remove=False)
    await archive(service, "jan", remove=True)
    before = rows(service)
    [feb, jan] = jobs(service)
    # as if the job had never come to an end, and somebody had put a folder of its name into its place
    service.forge_ledger(
        f"update archival.job set status = '{ended}', manifest = null, lake_path = null where job_id = '{jan['job_id']}'"
    )
    real = service.lake / jan["lake_path"]
    forge(service, real, real.with_name("aside"))
    shutil.rmtree(real)
    (real.parent / "aside").rename(real)
    (real / "_manifest.json").write_text((real / "_manifest.json").read_text() + " ")
    (service.lake / "manifests" / f"{service.schema}.readings" / f"{service.schema}.jan_r0.json").unlink()
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert (report.adoption.adopted, len(report.adoption.strays)) == ([], 1)
    await remove(service)
    assert (rows(service), statuses(service)) == (before, ["archived", ended])
    assert feb["status"] == "archived"


async def test_a_planted_manifest_moves_nobody_else_s_archive(service: Service) -> None:
    service.execute(TABLE)
    service.execute("create table $s.other (like $s.readings) partition by range (time)")
    service.execute("create table $s.part partition of $s.other for values from ('2026-01-01Z') to ('2026-02-01Z')")
    await archive(service, "jan", remove=False)
    await service.publish(hypertable=f"{service.schema}.other", chunk=f"{service.schema}.part")
    await service.work()
    victim, source = sorted(job["lake_path"] for job in jobs(service))[::-1]
    if "other" in victim:
        victim, source = source, victim
    planted = service.lake / source.replace("part_r0", "part_r7")
    shutil.copytree(service.lake / source, planted)
    manifest = json.loads((planted / "_manifest.json").read_text())
    manifest |= {
        "job_id": str(uuid4()),
        "supersedes": [victim],
        "lake_path": source.replace("part_r0", "part_r7"),
        "revision": 7,
    }
    (planted / "_manifest.json").write_text(json.dumps(manifest))
    for _ in range(2):
        await service.runtime.reconciler.reconcile(MINUTE)
    assert (service.lake / victim).is_dir()
    assert statuses(service) == ["archived", "archived"]
