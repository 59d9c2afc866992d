"""Verification: what lies in the lake is what was written, or somebody is told."""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.errors import TransientError
from archival_core.flows.upkeep.lake.verification import Verification, VerificationReport, VerificationRules, sampled
from archival_core.model.chunks.chunk import Relation
from dev.lake_emulator import Fault

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""


async def archive(service: Service, *chunks: str, remove: bool = False) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=remove)
    await service.work()
    await service.runtime.chunk_removal.remove_due(MINUTE)


async def verify(service: Service, **settings: Any) -> VerificationReport:
    service.execute("update archival.job set verified_at = null")
    own: Any = service.runtime.verification
    return await Verification(
        service.runtime.lake,
        own._findings,
        own._announcer,
        service.runtime.dependencies,
        own._sharing,
        VerificationRules(timedelta(days=1), **settings),
    ).verify_due(MINUTE, seed="seed")


def findings(service: Service) -> list[tuple[Any, ...]]:
    return service.rows("select problem, split_part(file, '/', -1) from archival.finding order by 1, 2")


def spoil(service: Service, chunk: str, damage: str) -> None:
    [job] = [job for job in service.jobs() if job["chunk"].endswith(chunk)]
    file = service.lake / job["lake_path"] / "part-00000.parquet"
    content = file.read_bytes()
    if damage == "altered":
        file.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif damage == "short":
        file.write_bytes(content[:-1])
    elif damage == "missing":
        file.unlink()
    else:
        shutil.copy(file, file.with_name("part-00001.parquet"))


async def test_what_is_as_written_is_found_so_and_left_alone_then(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    await archive(service, "feb")
    assert [job["status"] for job in service.jobs()] == ["removed", "archived"]
    assert await service.runtime.verification.verify_due(MINUTE) == VerificationReport(verified=2)
    assert all(job["verified_at"] for job in service.jobs())
    assert await service.runtime.verification.verify_due(MINUTE) == VerificationReport()
    service.execute("update archival.job set verified_at = verified_at - interval '31 days' where status = 'removed'")
    assert await service.runtime.verification.verify_due(MINUTE) == VerificationReport(verified=1)


@pytest.mark.parametrize("damage", ["missing", "extra", "short", "altered"])
async def test_each_damage_is_found_recorded_and_told(service: Service, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    await archive(service, "feb")
    spoil(service, "jan", damage)
    spoil(service, "feb", damage)
    report = await verify(service)
    assert (report.verified, len(report.damaged)) == (2, 2)
    file = "part-00001.parquet" if damage == "extra" else "part-00000.parquet"
    assert findings(service) == [(damage, file)] * 2
    told = [result for result in await service.results() if result["type"] == "archival.archive.damaged"]
    assert {(result["subject"], result["data"]["status"], result["data"]["findings"][0]["problem"]) for result in told} == {
        (f"{service.schema}.jan", "removed", damage),
        (f"{service.schema}.feb", "archived", damage),
    }
    # the only copy is an error, the other a warning
    found = [record for record in caplog.records if getattr(record, "event_name", None) == "archival.archive.damaged"]
    levels = {record.event_fields["chunk"]: record.levelno for record in found}  # type: ignore[attr-defined]
    assert levels == {f"{service.schema}.jan": logging.ERROR, f"{service.schema}.feb": logging.WARNING}
    [worst, _] = await service.runtime.verification.findings(10)
    assert (str(worst.chunk), str(worst.status), str(worst.finding.problem)) == (f"{service.schema}.jan", "removed", damage)


async def test_a_later_verification_replaces_the_findings(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    [job] = service.jobs()
    folder = service.lake / job["lake_path"]
    content = (folder / "part-00000.parquet").read_bytes()
    spoil(service, "jan", "missing")
    (folder / "_manifest.json").write_text("{}")
    await verify(service)
    assert findings(service) == [("altered", "_manifest.json"), ("missing", "part-00000.parquet")]
    (folder / "part-00000.parquet").write_bytes(content)
    await verify(service)
    assert findings(service) == [("altered", "_manifest.json")]
    shutil.copy(service.lake / service.files("manifests")[0], folder / "_manifest.json")
    assert (await verify(service)).damaged == {}
    assert findings(service) == []


async def test_a_request_makes_archives_due_at_once(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    await service.runtime.verification.verify_due(MINUTE)
    assert await service.runtime.verification.request(hypertable=Relation.parse(f"{service.schema}.readings")) == 2
    assert (await service.runtime.verification.verify_due(MINUTE)).verified == 2
    assert await service.runtime.verification.request(job_id=service.jobs()[0]["job_id"]) == 1
    assert (await service.runtime.verification.verify_due(MINUTE)).verified == 1
    assert await service.runtime.verification.request(hypertable=Relation("no", "where")) == 0


async def test_a_sample_reads_a_share_and_always_looks_at_lengths(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    spoil(service, "jan", "altered")
    spoil(service, "feb", "short")
    report = await verify(service, sample=0.0)
    assert [finding.problem for found in report.damaged.values() for finding in found] == ["short"]
    report = await verify(service, sample=1.0)
    assert sorted(finding.problem for found in report.damaged.values() for finding in found) == ["altered", "short"]


def test_a_sample_is_seeded_and_about_as_large_as_asked() -> None:
    paths = [f"tables/t/c_r0/part-{number:05d}.parquet" for number in range(2000)]
    first, again, other = ({p for p in paths if sampled(0.25, seed)(p)} for seed in ("a", "a", "b"))
    assert first == again != other
    assert 400 < len(first) < 600
    assert all(map(sampled(1.0, "a"), paths))
    assert not any(map(sampled(0.0, "a"), paths))


async def test_an_archive_that_is_just_superseded_is_not_missing(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    # as it is between the move of the folder and the ledger's row
    [job] = service.jobs()
    moved = service.lake / job["lake_path"].replace("tables", "superseded", 1)
    moved.parent.mkdir(parents=True)
    shutil.move(service.lake / job["lake_path"], moved)
    assert await verify(service) == VerificationReport()
    assert findings(service) == []


async def test_a_lake_that_does_not_answer_is_no_damage(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb")
    service.emulator.faults.append(
        Fault(method="GET", contains="jan_r0/part", status=403, code="AuthorizationFailure", times=99)
    )
    assert await verify(service) == VerificationReport(verified=1, unread=1)
    assert findings(service) == []
    service.emulator.faults.clear()
    service.emulator.faults.append(Fault(method="GET", contains="jan_r0/part", kind="delay", seconds=0.5, times=1))
    assert (await service.runtime.verification.verify_due(MINUTE)).verified == 1


async def test_damage_that_nobody_could_be_told_of_is_told_later(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    spoil(service, "jan", "altered")

    async def away(*_: object) -> None:
        raise TransientError("Redis: away", code="redis")

    with monkeypatch.context() as patched:
        patched.setattr(service.runtime.messaging, "announce", away)
        assert len((await service.runtime.verification.verify_due(MINUTE)).damaged) == 1
    assert len(findings(service)) == 1
    assert len((await service.runtime.verification.verify_due(MINUTE)).damaged) == 1
    assert [result["type"] for result in await service.results()] == ["archival.chunk.archived", "archival.archive.damaged"]
    assert await service.runtime.verification.verify_due(MINUTE) == VerificationReport()


async def test_no_time_verifies_nothing(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    assert (await service.runtime.verification.verify_due(timedelta(0))).verified == 0
    assert service.jobs()[0]["verified_at"] is None
