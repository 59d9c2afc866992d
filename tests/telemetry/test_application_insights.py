"""What both Azure exporters really send: envelopes of requests, dependencies, exceptions, custom events and log lines, with the
operation's ids, received by a local server in place of Application Insights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.errors import TransientError
from archival_core.flows.archive.publishing import Publishing
from archival_core.functions.observed import observed

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service
    from tests.telemetry.conftest import Configure, Ingestion

TRACE, EVENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

KINDS = ("Request", "RemoteDependency", "Exception", "Event", "Message", "Metric")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.parametrize("exporter", ["azuremonitor", pytest.param("opencensus", marks=pytest.mark.slow)])


@pytest.fixture
async def sent(
    exporter: str, filled: Service, ingestion: Ingestion, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> Ingestion:
    """An archive whose first attempt failed."""
    configure(TELEMETRY_EXPORTER=exporter, APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string)
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "test",
        "type": "archival.chunk.requested",
        "traceparent": f"00-{TRACE}-{EVENT}-01",
        "data": {"hypertable": f"{filled.schema}.readings", "chunk": f"{filled.schema}.jan"},
    }
    await filled.redis.xadd(filled.names["EVENTS_STREAM"], {"event": json.dumps(event)})
    async with observed("drain_events"):
        await filled.runtime.event_drain.drain()
    [message] = filled.messages()

    async def broken(*_: object) -> None:
        raise TransientError("the lake is away", code="lake-unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(Publishing, "publish", broken)
        with pytest.raises(TransientError):
            async with observed():
                await filled.runtime.archival_processor.process(message)
    async with observed():
        await filled.runtime.archival_processor.process(message)
    return ingestion


def parent(found: dict[str, Any]) -> tuple[str, str]:
    return found["operation_Id"], found["operation_ParentId"]


async def test_requests_and_dependencies_are_one_operation(sent: Ingestion, filled: Service, exporter: str) -> None:
    events, queue = filled.names["EVENTS_STREAM"], filled.names["ARCHIVE_QUEUE"]
    requests = [found for found in sent.of("Request") if found["operation_Id"] == TRACE]
    received, failed, done = requests
    assert [found["name"] for found in requests] == [f"process {events}", f"process {queue}", f"process {queue}"]
    assert [found["success"] for found in requests] == [True, False, True]
    assert parent(received) == (TRACE, EVENT)
    dependencies = [found for found in sent.of("RemoteDependency") if found["operation_Id"] == TRACE]
    by_name = {found["name"]: found for found in dependencies}
    produced = by_name[f"send {queue}"]
    assert parent(produced) == (TRACE, received["id"])
    assert parent(failed) == parent(done) == (TRACE, produced["id"])
    assert failed["properties"]["archival.error.code"] == "lake-unavailable"
    assert json.loads(done["properties"]["_MS.links"]) == [{"operation_Id": TRACE, "id": failed["id"]}]
    published = [found for found in dependencies if found["name"] == "archive.publish"]
    assert [(found["success"], found["operation_ParentId"]) for found in published] == [
        (False, failed["id"]),
        (True, done["id"]),
    ]
    # what the queries of the documentation use
    job_id = str(filled.jobs()[0]["job_id"])
    for found in (failed, done, *published, by_name["archive.ledger"], by_name["ledger finish_archive"]):
        assert found["properties"]["archival.job.id"] == job_id
    assert by_name["archive.extract"]["properties"]["archival.rows"] in ("744", 744)
    assert by_name["archive.upload"]["type"].lower() == "inproc"
    assert by_name["ledger finish_archive"]["type"] == "postgresql"
    assert "Microsoft.Storage" in by_name["lake publish"]["type"]
    assert "azure_queue_storage" in produced["type"]
    assert {found["cloud_RoleName"] for found in (*requests, *dependencies)} == {"archival_service"}
    assert {found["iKey"] for found in requests} == {sent.key}


async def test_exceptions_events_and_log_lines_belong_to_it(sent: Ingestion, filled: Service, exporter: str) -> None:
    _, failed, done = [found for found in sent.of("Request") if found["operation_Id"] == TRACE]
    [error] = sent.of("Exception")
    assert parent(error) == (TRACE, failed["id"])
    [told] = error["exceptions"]
    assert (told["typeName"], told["message"]) == ("archival_core.errors.TransientError", "the lake is away")
    assert "broken" in told["stack"]
    events = {found["name"]: found for found in sent.of("Event")}
    assert events.keys() == {"archival.job.retried", "archival.chunk.archived"}
    assert parent(events["archival.job.retried"]) == (TRACE, failed["id"])
    assert events["archival.job.retried"]["properties"]["archival.error.code"] == "lake-unavailable"
    archived = events["archival.chunk.archived"]
    assert parent(archived) == (TRACE, done["id"])
    properties = archived["properties"]
    [job] = filled.jobs()
    assert properties["archival.chunk"] == f"{filled.schema}.jan"
    assert [int(properties[f"archival.{name}"]) for name in ("rows", "source_bytes", "parquet_bytes")] == [
        job["rows"],
        job["source_bytes"],
        job["parquet_bytes"],
    ]
    lines = [found for found in sent.of("Message") if "attempt 1" in found["message"]]
    assert {found["operation_Id"] for found in lines} == {TRACE}
    assert lines[0]["properties"]["archival.job.id"] == str(job["job_id"])
    assert lines[0]["severityLevel"] == 1


async def test_metrics(sent: Ingestion, exporter: str) -> None:
    found = [(metric, told["properties"]) for told in sent.of("Metric") for metric in told["metrics"]]
    names = {metric["name"] for metric, _ in found}
    assert {"archival.step.duration", "archival.step.rows", "archival.dependency.duration", "archival.job.retries"} <= names
    # each flush sends what is new: added up they are what happened
    retries = [metric["value"] for metric, _ in found if metric["name"] == "archival.job.retries"]
    assert sum(retries) == 1
    uploads = [m for m, told in found if m["name"] == "archival.step.duration" and told["archival.step"] == "archive.upload"]
    assert sum(metric["count"] for metric in uploads) == 1
    assert all(0 < metric["min"] <= metric["value"] for metric in uploads)


async def test_the_documented_queries_ask_for_what_is_sent(sent: Ingestion, exporter: str) -> None:
    queries = re.findall(r"```kusto\n(.*?)```", (ROOT / "docs/telemetry.md").read_text(), re.DOTALL)
    assert len(queries) == 6
    dimensions = {key for kind in KINDS for found in sent.of(kind) for key in found.get("properties", {})}
    names = {found.get("name", "") for kind in KINDS for found in sent.of(kind)}
    names |= {metric["name"] for found in sent.of("Metric") for metric in found["metrics"]}
    for query in queries:
        assert set(re.findall(r'customDimensions\["([^"]+)"\]', query)) <= dimensions
        for wanted in re.findall(r'name == "([^"]+)"', query):
            assert wanted in names
        for start in re.findall(r'name startswith "([^"]+)"', query):
            assert any(name.startswith(start) for name in names)
