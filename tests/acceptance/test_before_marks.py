"""Archives of releases that left no marks in the source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.promises import MINUTE, TABLE, archive, remove, restore, rows, statuses

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database


NEW_FIELDS = ("nonce", "tables", "relation_born", "hypertable_table")


def as_before(service: Service) -> None:
    """Archives as the version before marks has left them, in the ledger, the lake and the source."""
    for path in (path for path in service.lake.rglob("*.json") if path.parent.name != "_delta_log"):
        if path.name != "owner.json":
            manifest = json.loads(path.read_text())
            path.write_text(json.dumps({name: value for name, value in manifest.items() if name not in NEW_FIELDS}, indent=2))
    service.execute(
        f"update archival.job set manifest = manifest - array{list(NEW_FIELDS)}, manifest_sha256 = null, relation_born = null,"
        " declared = '{}', dropped_by = null, mark_owed = status = 'removed' or restored_at is not null;"
        "truncate archival_marks.reading, archival_marks.stand_in"
    )


async def test_archives_from_before_marks_go_and_come_back(service: Service) -> None:
    service.execute(TABLE)
    before = rows(service)
    await archive(service, "feb")
    assert (await remove(service)).removed == 1
    await archive(service, "jan")
    as_before(service)
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert (report.marks.written, report.failed) == (1, {})
    # all rows are compared, once, and nothing is archived again
    assert (await remove(service)).removed == 1
    assert (statuses(service), rows(service)) == (["removed", "removed"], [])
    assert service.rows("select kind, count(*) from archival_marks.stand_in group by 1") == [("removed", 2)]
    assert (await restore(service), rows(service)) == ([], before)
    assert (await service.runtime.reconciler.reconcile(MINUTE)).marks.restored == 0


async def test_a_restore_of_before_marks_that_nobody_has_marked_yet(service: Service) -> None:
    service.execute(TABLE)
    before = rows(service)
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    as_before(service)
    assert (await restore(service), rows(service)) == ([], before)
    assert service.rows("select kind from archival_marks.stand_in") == [("restored",)]
