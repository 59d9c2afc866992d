"""The table in the lake: what archives count, each once, in one commit a run."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from archival_core.errors import PermanentError
from archival_core.flows.tables.committing import CommitsReport
from archival_core.lake.tables.log import OvertakenCommitError, TableLog
from archival_core.ledger.sql import queries
from archival_core.model.lake.delta_log import Commit
from archival_core.model.lake.manifest import Manifest
from dev import delta_reader
from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision, seen timestamp) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, random(), t from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""
JANUARY, BOTH = 744, 1393


async def commit(service: Service) -> CommitsReport:
    report = await service.runtime.table_commits.commit_due(MINUTE)
    assert report.failed == {}
    return report


def table(service: Service) -> Path:
    return service.lake / "tables" / f"{service.schema}.readings"


def commits(service: Service) -> list[Path]:
    return sorted((table(service) / "_delta_log").glob("*.json"))


def as_of_before(service: Service) -> None:
    """The only archive says nothing of the columns of its table in the lake."""
    [(content,)] = service.rows("select manifest from archival.job where kind = 'archive'")
    manifest = Manifest.model_validate(content)
    columns = tuple(column.model_copy(update={"lake_number": 0, "lake_name": None}) for column in manifest.columns)
    manifest = manifest.model_copy(update={"columns": columns})
    outer = f"{manifest.lake_path.replace('tables', 'manifests', 1)}.json"
    for file in (f"{manifest.lake_path}/_manifest.json", outer):
        (service.lake / file).write_bytes(manifest.to_json())
    said = manifest.to_json().decode().replace("'", "''")
    service.execute(f"update archival.job set manifest = '{said}', manifest_sha256 = '{manifest.sha256()}'")


def paths_in(service: Service) -> list[str]:
    return sorted(str(path) for path in DeltaTable(table(service)).get_add_actions()["path"].to_pylist())


async def test_archives_enter_the_table_once_and_are_read_by_another_implementation(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    report = await commit(service)
    assert (report.committed, report.entered) == (1, 2)
    assert delta_reader.count(table(service)) == BOTH
    assert delta_reader.read(table(service), "select count(*) from t where time < '2026-02-01'") == [(JANUARY,)]
    assert len(commits(service)) == 1
    assert (await commit(service)).committed == 0
    assert len(commits(service)) == 1


async def test_a_later_revision_takes_the_place_in_one_commit_and_the_folder_stays_for_readers(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    await commit(service)
    (before,) = paths_in(service)
    service.execute("insert into $s.readings values ('2026-01-05Z', 1)")
    assert (await remove(service)).removed == 0, "it is archived again"
    await service.work()
    await commit(service)
    (after,) = paths_in(service)
    assert before != after and delta_reader.count(table(service)) == JANUARY + 1
    assert (table(service) / before).exists(), "whoever reads the version before goes on"
    await service.runtime.reconciler.reconcile(MINUTE)
    assert (table(service) / before).exists()
    service.execute("update archival.table_archive set left_at = left_at - interval '8 days' where left_at is not null")
    await service.runtime.reconciler.reconcile(MINUTE)
    assert not (table(service) / before).exists()
    assert (service.lake / "superseded" / table(service).name / before).exists()
    assert delta_reader.count(table(service)) == JANUARY + 1


async def test_a_folder_stays_while_somebody_brings_its_archive_back(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    await commit(service)
    (before,) = paths_in(service)
    service.execute("insert into $s.readings values ('2026-01-05Z', 1)")
    await remove(service)
    await service.work()
    await commit(service)
    service.execute("update archival.table_archive set left_at = left_at - interval '8 days' where left_at is not null")
    with psycopg.connect(service.url) as other:
        assert other.execute("select job_id from archival.job where status = 'superseded' for update").fetchall()
        await service.runtime.reconciler.reconcile(MINUTE)
        assert (table(service) / before).exists()
    await service.runtime.reconciler.reconcile(MINUTE)
    assert not (table(service) / before).exists()


async def test_a_log_says_of_which_columns_it_has_statistics(service: Service) -> None:
    service.execute(TABLE)
    service.execute("alter table $s.readings add device text, add count int; update $s.readings set device = 'a', count = 3")
    service.execute("update $s.readings set value = 'NaN', count = null where time = '2026-01-01Z'")
    await archive(service, "jan", remove=False)
    await commit(service)
    service.execute("alter table $s.readings add later int default 7")
    await archive(service, "feb", remove=False)
    await commit(service)
    found = DeltaTable(table(service))
    wanted = "time,seen,device,count"
    assert found.metadata().configuration["delta.dataSkippingStatsColumns"] == wanted
    actions = found.get_add_actions(flatten=True)
    assert {name.partition(".")[2] for name in actions.schema.names if name.startswith(("min.", "max."))} == set(
        wanted.split(",")
    )
    assert sorted(zip(actions["max.count"].to_pylist(), actions["null_count.count"].to_pylist(), strict=True)) == [
        (3, 0),
        (3, 1),
    ]
    # a column without bounds is not taken for one without values
    dataset = found.to_pyarrow_dataset()
    assert dataset.to_table(filter=ds.field("later") == 7).num_rows == BOTH - JANUARY
    assert dataset.to_table(filter=ds.field("value") < 2).num_rows == BOTH - 1
    assert dataset.to_table(filter=ds.field("count").is_null()).num_rows == 1


async def test_a_chunk_goes_only_when_its_archive_is_in_the_table(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    report = await remove(service)
    assert (report.removed, report.kept) == (1, {})
    assert delta_reader.count(table(service)) == JANUARY
    assert (await commit(service)).committed == 0


async def test_a_commit_whose_answer_was_lost_is_made_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    await archive(service, "feb", remove=False)
    service.execute("create table $s.saved as select * from archival.lake_table")
    service.execute("create table $s.entered as select * from archival.table_archive")
    await commit(service)
    # the ledger is as it was when the process died between the commit and its record
    service.execute("delete from archival.lake_table; insert into archival.lake_table select * from $s.saved")
    service.execute("delete from archival.table_archive; insert into archival.table_archive select * from $s.entered")
    service.execute("insert into archival.table_due (hypertable) values ('$s.readings')")
    await commit(service)
    assert (len(commits(service)), delta_reader.count(table(service))) == (2, BOTH)
    (known,) = service.rows("select version, sequence, finding from archival.lake_table")
    assert known == (1, 2, None)


async def test_what_the_schema_does_not_describe_any_more_leaves_the_log(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await commit(service)
    service.execute("update archival.lake_column set form = 'float' where name = 'value'")
    service.execute("insert into archival.table_due (hypertable) values ('$s.readings')")
    report = await commit(service)
    assert (report.left, report.left_out, paths_in(service)) == (2, 2, [])
    left = service.rows("select left_out, left_at is not null from archival.table_archive")
    assert left == [("column 'value' is double in it and float in the table", True)] * 2
    # its readers have their time
    service.execute("update archival.job set status = 'superseded' where kind = 'archive'")
    await service.runtime.reconciler.reconcile(MINUTE)
    assert len(list(table(service).glob("*/part-*.parquet"))) == 2


async def test_an_archive_of_before_there_were_schemas_that_does_not_fit_is_made_again(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    as_of_before(service)
    service.execute("update archival.lake_column set form = 'float' where name = 'value'")
    report = await remove(service)
    assert (report.removed, len(report.kept)) == (0, 1)
    assert "archived again" in next(iter(report.kept.values()))
    await service.work()
    assert (await remove(service)).removed == 1
    assert delta_reader.count(table(service)) == JANUARY


async def test_a_removal_does_not_wait_for_ever_for_a_commit_that_hangs(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    await commit(service)
    monkeypatch.setitem(queries(), "bound_lake_table", "select set_config('lock_timeout', '500ms', true)")
    async with service.runtime.table_commits._tables.held(f"{service.schema}.readings", wait=True):
        service.execute("update archival.table_archive set entered_at = null")
        report = await remove(service)
    assert (report.removed, len(report.kept)) == (0, 1), "the chunk stays, and the run goes on"
    service.execute("insert into archival.table_due (hypertable) values ('$s.readings')")
    assert (await remove(service)).removed == 1


async def test_the_schema_has_a_column_for_texts_of_values_without_a_form(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    assert DeltaTable(table(service)).schema().to_arrow().names == ["time", "value", "seen", "_archival_exact"]
    assert delta_reader.read(table(service), "select count(*) from t where _archival_exact is null") == [(JANUARY,)]


async def test_a_log_that_is_gone_is_made_anew(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await commit(service)
    shutil.rmtree(table(service) / "_delta_log")
    service.execute("insert into archival.table_due (hypertable) values ('$s.readings')")
    await commit(service)
    assert delta_reader.count(table(service)) == BOTH


async def test_what_others_wrote_is_taken_back_and_told(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await commit(service)
    first = json.loads(commits(service)[0].read_text().splitlines()[-1])["add"]["path"]
    foreign: list[dict[str, Any]] = [
        {"commitInfo": {"timestamp": 1, "operation": "OPTIMIZE", "engineInfo": "somebody"}},
        {"remove": {"path": first, "deletionTimestamp": 1, "dataChange": False}},
        {"add": {"path": "part-0.parquet", "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": False}},
    ]
    (commits(service)[0].parent / f"{1:020d}.json").write_text("\n".join(map(json.dumps, foreign)))
    service.execute("insert into archival.table_due (hypertable) values ('$s.readings')")
    await commit(service)
    assert delta_reader.count(table(service)) == BOTH
    ((finding,),) = service.rows("select finding from archival.lake_table")
    assert finding["code"] == "table-foreign-commit" and "OPTIMIZE by somebody" in finding["message"]


async def test_reconcile_compares_logs_and_mends_them(service: Service) -> None:
    """A log that went back without anything else having changed: a copy of before was put in its place."""
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    await archive(service, "feb", remove=False)
    await commit(service)
    commits(service)[1].unlink()
    assert delta_reader.count(table(service)) == JANUARY
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert report.failed == {}
    assert delta_reader.count(table(service)) == BOTH
    ((finding,),) = service.rows("select finding ->> 'code' from archival.lake_table")
    assert finding == "table-log-back"
    for age, still in (("1 hour", True), ("2 days", False)):
        found = "jsonb_set(finding, '{at}', to_jsonb((finding ->> 'at')::timestamptz - interval '{}'))".replace("{}", age)
        service.execute(f"update archival.lake_table set compared_at = null, finding = {found}")
        await service.runtime.reconciler.reconcile(MINUTE)
        assert service.rows("select finding is not null from archival.lake_table") == [(still,)]


async def test_a_damaged_log_is_told_and_made_anew_by_who_asks(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await commit(service)
    commits(service)[0].write_text("no commit")
    assert list((await service.runtime.reconciler.reconcile(MINUTE)).failed) == [f"the table of {service.schema}.readings"]
    state = await service.runtime.table_upkeep.rebuild(f"{service.schema}.readings")
    assert (state.version, state.archives, state.rows, state.finding) == (0, 2, BOTH, None)
    assert delta_reader.count(table(service)) == BOTH
    assert list((service.lake / "superseded" / table(service).name).glob("_delta_log_*/*.json"))


async def test_a_log_is_not_made_anew_from_a_ledger_that_has_forgotten_archives(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await commit(service)
    service.execute("delete from archival.job where chunk like '%%.jan'")
    with pytest.raises(PermanentError) as caught:
        await service.runtime.table_upkeep.rebuild(f"{service.schema}.readings")
    assert caught.value.code == "table-ledger-behind"
    assert delta_reader.count(table(service)) == BOTH


async def test_who_is_not_the_service_reads_and_does_not_write(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    found = DeltaTable(table(service))
    with pytest.raises(Exception, match="archivalService"):
        found.delete()
    with pytest.raises(Exception, match="archivalService"):
        found.optimize.compact()
    assert delta_reader.count(table(service)) == JANUARY


async def test_two_committers_at_once_do_no_harm(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=False)
    await asyncio.gather(*(service.runtime.table_commits.commit_due(MINUTE) for _ in range(4)))
    await commit(service)
    assert (len(commits(service)), delta_reader.count(table(service))) == (1, BOTH)


async def test_a_version_that_another_has_made_is_not_written_over(service: Service) -> None:
    """A committer that was paused goes on after its lock has passed on."""
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    await commit(service)
    late = Commit(uuid4(), 1, uuid4(), datetime.now(UTC))
    log = TableLog(service.runtime.lake)
    with pytest.raises(OvertakenCommitError):
        await log.write(f"tables/{table(service).name}", 0, late)
    assert delta_reader.count(table(service)) == JANUARY
    await log.write(f"tables/{table(service).name}", 1, late)
    await log.write(f"tables/{table(service).name}", 1, late)
    assert len(commits(service)) == 2, "whose answer was lost finds the commit"
