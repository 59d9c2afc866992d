"""One trace follows an archive from the event's own `traceparent` to the ledger, and on through removal and restore."""

from __future__ import annotations

import json
import logging
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from archival_core import telemetry
from archival_core.errors import TransientError
from archival_core.flows.archive.publishing import Publishing
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.insight.backlog import tell_backlog
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.functions.observed import observed
from archival_core.model.chunks.chunk import ChunkRange, Relation
from dev.traces.collector import Collector
from dev.traces.spans import Node, Span, trees

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service
    from tests.telemetry.conftest import Configure

TRACE, EVENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def publish(service: Service, chunk: str, **data: Any) -> None:
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "test",
        "type": "archival.chunk.requested",
        # 00: whoever sent it samples, which is no reason to lose a part of the service's own trace
        "traceparent": f"00-{TRACE}-{EVENT}-00",
        "data": {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.{chunk}", **data},
    }
    await service.redis.xadd(service.names["EVENTS_STREAM"], {"event": json.dumps(event)})


async def drain_and_archive(service: Service) -> None:
    """As the functions do it."""
    async with observed("drain_events"):
        await service.runtime.event_drain.drain()
    for message in service.messages():
        async with observed():
            await service.runtime.archival_processor.process(message)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_GRACE", "PT0S")


@pytest.fixture
def recording(filled: Service, collector: Collector, configure: Configure) -> Service:
    configure(TELEMETRY_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    return filled


def outline(node: Node, *, without: str = "client") -> list[str]:
    """Names, indented by their depth."""
    return [f"{'  ' * depth}{span.name}" for depth, span in node.walk() if span.kind != without]


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


async def test_an_archive_is_one_tree_below_the_event(recording: Service, collector: Collector) -> None:
    await publish(recording, "jan")
    await drain_and_archive(recording)
    spans = collector.trace(TRACE)
    [root] = trees(spans)
    assert root.span.parent_id == EVENT
    events, queue, results = (recording.names[name] for name in ("EVENTS_STREAM", "ARCHIVE_QUEUE", "RESULTS_STREAM"))
    assert outline(root) == [
        f"process {events}",
        f"  send {queue}",
        f"    process {queue}",
        "      archive.catalog",
        "      archive.snapshot",
        "      archive.mark",
        "      archive.part",
        "        archive.upload",
        "          archive.extract",
        "        archive.read_back",
        "      archive.publish",
        "      archive.manifest",
        "      archive.ledger",
        f"      send {results}",
    ]
    assert [span for span in spans if span.error] == []
    # the steps' calls to other systems are below them
    called = {span.name: span for span in spans if span.kind == "client"}
    assert {
        "ledger take_lease",
        "ledger assign_revision",
        "ledger finish_archive",
        "lake publish",
        "source connect",
    } <= called.keys()
    [finish] = named(spans, "ledger finish_archive")
    assert finish.parent_id == named(spans, "archive.ledger")[0].span_id


async def test_names_follow_the_conventions(recording: Service, collector: Collector) -> None:
    await publish(recording, "jan")
    await drain_and_archive(recording)
    spans = collector.trace(TRACE)
    [job] = recording.jobs()
    queue = recording.names["ARCHIVE_QUEUE"]
    [consumed] = named(spans, f"process {queue}")
    assert consumed.kind == "consumer"
    assert consumed.attributes == {
        "messaging.system": "azure_queue_storage",
        "messaging.destination.name": queue,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "faas.trigger": "pubsub",
        "archival.job.id": str(job["job_id"]),
        "archival.job.kind": "archive",
        "archival.job.attempt": 1,
        "archival.hypertable": f"{recording.schema}.readings",
        "archival.chunk": f"{recording.schema}.jan",
    }
    [sent] = named(spans, f"send {queue}")
    assert (sent.kind, sent.attributes["messaging.operation.type"]) == ("producer", "send")
    [taken] = named(spans, "ledger take_lease")
    assert {"db.system.name": "postgresql", "db.query.summary": "take_lease"}.items() <= taken.attributes.items()
    [extract], [upload] = named(spans, "archive.extract"), named(spans, "archive.upload")
    assert extract.attributes["archival.rows"] == job["rows"] == 744
    assert 0 <= extract.attributes["archival.source_seconds"] <= extract.seconds
    assert upload.attributes["archival.bytes"] == job["parquet_bytes"]
    # nothing that could hold a password
    assert not any("postgresql://" in str(span) or "AccountKey" in str(span) for span in spans)
    [timer] = named(collector.spans, "drain_events")
    assert timer.attributes == {
        "faas.name": "drain_events",
        "faas.trigger": "timer",
        "archival.function": "drain_events",
    }
    [received] = named(spans, f"process {recording.names['EVENTS_STREAM']}")
    assert received.links == [(timer.trace_id, timer.span_id)]


async def test_removal_and_restore_go_on_in_it(recording: Service, collector: Collector) -> None:
    await publish(recording, "jan", remove=True)
    await drain_and_archive(recording)
    async with observed("remove_chunks"):
        assert (await recording.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    table = Relation(recording.schema, "readings")
    request = RestoreRequest(table, None, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test")
    await recording.runtime.restore_requests.request(request)
    assert await recording.restore() == []
    await telemetry.flush()
    [root] = trees(collector.trace(TRACE))
    lines = outline(root)
    removal, results = lines.index("  removal"), recording.names["RESULTS_STREAM"]
    assert lines[removal:][:14] == [
        "  removal",
        "    removal.look",
        "    removal.lake",
        "    removal.check",
        "    removal.trial",
        "      restore.load",
        "      restore.prove",
        "      removal.prove",
        "    removal.table",
        "      table.commit",
        "    removal.lock",
        "    removal.compare",
        "    removal.drop",
        f"  send {results}",
    ]
    restores = recording.names["RESTORE_QUEUE"]
    restore = lines.index(f"  send {restores}")
    assert lines[restore:] == [
        f"  send {restores}",
        f"    process {restores}",
        "      restore.catalog",
        "      restore.load",
        "      restore.prove",
        "      restore.place",
        f"      send {results}",
    ]
    [removed] = collector.metrics["archival.removed.size"][-1:]
    assert removed == {"hypertable": f"{recording.schema}.readings"}
    told = [result["traceparent"].split("-")[1] for result in await recording.results()]
    assert told == [TRACE] * 3


async def test_a_retry_is_linked_to_the_first_attempt(
    recording: Service, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(recording, "jan")
    async with observed("drain_events"):
        await recording.runtime.event_drain.drain()
    [message] = recording.messages()

    async def broken(*_: object) -> None:
        raise TransientError("the lake is away", code="lake-unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(Publishing, "publish", broken)
        for _ in range(2):
            with pytest.raises(TransientError):
                async with observed():
                    await recording.runtime.archival_processor.process(message)
    async with observed():
        await recording.runtime.archival_processor.process(message)
    assert len(trees(collector.trace(TRACE))) == 1
    attempts = named(collector.trace(TRACE), f"process {recording.names['ARCHIVE_QUEUE']}")
    assert [span.attributes["archival.job.attempt"] for span in attempts] == [1, 2, 3]
    first = (attempts[0].trace_id, attempts[0].span_id)
    assert [span.links for span in attempts] == [[], [first], [first]]
    assert [span.attributes.get("error.type") for span in attempts] == ["lake-unavailable", "lake-unavailable", None]
    [(event, told)] = attempts[0].events
    assert (event, told["exception.message"]) == ("exception", "the lake is away")
    assert len({span.parent_id for span in attempts}) == 1
    assert Counter(body for body, _ in collector.logs)["archival.job.retried"] == 2
    assert collector.metrics["archival.job.retries"][-1] == {"archival.job.kind": "archive", "error.type": "lake-unavailable"}


async def test_what_nobody_traces_gets_a_trace_of_its_own(recording: Service, collector: Collector) -> None:
    data = {"hypertable": f"{recording.schema}.readings"}
    for chunk in ("jan", "feb"):
        await recording.publish(**data, chunk=f"{recording.schema}.{chunk}")
    await drain_and_archive(recording)
    traces = {job["trace_id"] for job in recording.jobs()}
    assert len(traces) == 2
    for trace_id in traces:
        [root] = trees(collector.trace(trace_id))
        assert root.span.parent_id == ""
        assert "      archive.ledger" in outline(root)


async def test_instruments(recording: Service, collector: Collector) -> None:
    await publish(recording, "jan")
    await drain_and_archive(recording)
    steps = {point["archival.step"] for point in collector.metrics["archival.step.duration"]}
    assert {"archive.catalog", "archive.extract", "archive.upload", "archive.read_back", "archive.ledger"} <= steps
    assert {point["archival.step"] for point in collector.metrics["archival.step.rows"]} == {
        "archive.extract",
        "archive.read_back",
    }
    calls = {point["archival.dependency"] for point in collector.metrics["archival.dependency.duration"]}
    assert calls == {"lake", "queue", "redis", "source", "ledger"}


async def test_how_far_behind_the_service_is(recording: Service, collector: Collector) -> None:
    recording.execute("insert into archival.policy (hypertable, archive_after) values ('$s.readings', '1 day')")
    await publish(recording, "jan")
    await recording.runtime.event_drain.drain()
    async with observed("reconcile"):
        await tell_backlog(recording.runtime.insights)
    assert {point["queue"] for point in collector.metrics["archival.queue.age"]} == {"archive", "restore"}
    assert f"{recording.schema}.readings" in {point["hypertable"] for point in collector.metrics["archival.policy.lag"]}
    recording.execute("delete from archival.policy where hypertable = '$s.readings'")


async def test_log_lines_of_failures_have_their_code(recording: Service, collector: Collector) -> None:
    await publish(recording, "gone")
    await drain_and_archive(recording)
    [failed] = [told for body, told in collector.logs if " failed: " in body]
    assert (failed["archival.error.code"], failed["trace_id"]) == ("unknown-chunk", TRACE)
    [told] = [told for body, told in collector.logs if body == "archival.chunk.failed"]
    assert told["archival.error.code"] == "unknown-chunk"
    [root] = trees(collector.trace(TRACE))
    # the run failed, and the error is attached to it alone
    with_error = [span.name for _, span in root.walk() if span.events]
    assert with_error == [f"process {recording.names['ARCHIVE_QUEUE']}"]


async def test_logs_name_trace_and_job(recording: Service, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "archival_core")
    await publish(recording, "jan")
    await drain_and_archive(recording)
    job_id = str(recording.jobs()[0]["job_id"])
    [line] = [record for record in caplog.records if getattr(record, "event_name", None) == "archival.job.begun"]
    assert (line.trace_id, line.job_id) == (TRACE, job_id)  # type: ignore[attr-defined]
    [exported] = [told for _, told in collector.logs if told.get("event.name") == "archival.job.begun"]
    assert exported["archival.attempt"] == 1
    assert (exported["trace_id"], exported["archival.job.id"]) == (TRACE, job_id)
    [archived] = [told for body, told in collector.logs if body == "archival.chunk.archived"]
    assert (archived["event_name"], archived["archival.rows"], archived["trace_id"]) == ("archival.chunk.archived", 744, TRACE)
