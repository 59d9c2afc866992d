"""What the queries of pages, alerts and documents answer, asked of what the service really sends.

DuckDB stands in for the tables of Application Insights, and duckdb-kql translates. Not covered: how Azure samples and keeps.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import azure.functions as func
import duckdb
import pytest

from archival_core.errors import PermanentError, TransientError
from archival_core.flows.archive.publishing import Publishing
from archival_core.functions import queues, timers
from tests.infra.queries import QUERIES
from tests.infra.queries import filled as filled_in

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service
    from tests.telemetry.conftest import Configure, Ingestion

pytestmark = [pytest.mark.usefixtures("at_once"), pytest.mark.own_database]

COMMON = "timestamp timestamp, itemType varchar, customDimensions json, operation_Id varchar, operation_ParentId varchar"
SPAN = "id varchar, name varchar, success boolean, duration double"
TABLES = {
    "requests": SPAN,
    "dependencies": f"{SPAN}, target varchar, type varchar",
    "traces": "message varchar, severityLevel int",
    "exceptions": "type varchar, message varchar",
    "customEvents": "name varchar",
    "customMetrics": "name varchar, valueSum double, valueCount int, valueMin double, valueMax double",
}
KINDS = {
    "RequestData": "requests",
    "RemoteDependencyData": "dependencies",
    "MessageData": "traces",
    "ExceptionData": "exceptions",
    "EventData": "customEvents",
    "MetricData": "customMetrics",
}
#: a .NET time span
_DURATION = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)")


class Insights:
    """The tables, filled with envelopes."""

    def __init__(self, envelopes: list[dict[str, Any]]) -> None:
        self._database = duckdb.connect()
        self._columns = {}
        for table, columns in TABLES.items():
            self._database.execute(f"create table {table} ({COMMON}, {columns})")
            self._columns[table] = [c.split()[0] for c in f"{COMMON}, {columns}".split(", ")]
        for envelope in envelopes:
            for table, row in _rows(envelope):
                names = [name for name in self._columns[table] if name in row]
                values = ", ".join(f"${i + 1}" for i in range(len(names)))
                statement = f"insert into {table} ({', '.join(names)}) values ({values})"
                self._database.execute(statement, [row[name] for name in names])

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The rows of a Kusto query."""
        import duckdb_kql  # half a second, which whoever collects the tests would wait as well

        answer = self._database.execute(duckdb_kql.to_sql(filled_in(query), schema=self._columns))
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _rows(envelope: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    data, tags = envelope["data"]["baseData"], envelope["tags"]
    table = KINDS.get(envelope["data"]["baseType"])
    if table is None:
        return []
    row = {
        "timestamp": envelope["time"].removesuffix("Z"),
        "itemType": envelope["data"]["baseType"],
        "customDimensions": json.dumps(data.get("properties") or {}),
        "operation_Id": tags.get("ai.operation.id"),
        "operation_ParentId": tags.get("ai.operation.parentId"),
        **{
            name: data[name] for name in ("id", "name", "success", "target", "type", "message", "severityLevel") if name in data
        },
    }
    if span := _DURATION.fullmatch(data.get("duration", "")):
        days, hours, minutes, seconds = (float(part or 0) for part in span.groups())
        row["duration"] = 1000 * (86400 * days + 3600 * hours + 60 * minutes + seconds)
    if table != "customMetrics":
        return [(table, row)]
    numbers = []
    for metric in data["metrics"]:
        low, high = (metric.get(end) if metric.get(end) is not None else metric["value"] for end in ("min", "max"))
        counted = {"valueSum": metric["value"], "valueCount": metric.get("count") or 1, "valueMin": low, "valueMax": high}
        numbers.append((table, {**row, "name": metric["name"], **counted}))
    return numbers


async def run(function: str, message: str | None = None) -> None:
    """One of the app's functions, as the functions host calls it."""
    builders = [*timers.blueprint()._function_builders, *queues.blueprint()._function_builders]
    [found] = [f for b in builders if (f := b._function.get_user_function()).__name__ == function]
    await found(message=func.QueueMessage(body=message.encode())) if message is not None else await found(timer=None)


def waiting(service: Service) -> list[str]:
    """Take every message, as it lies in the queue."""
    found = []
    for message in service.queue.receive_messages(messages_per_page=32):
        found.append(message.content)
        service.queue.delete_message(message)
    return found


ALERTS = {name: query for name, query in QUERIES.items() if name.startswith("alert/")}
#: alerts about what lasts for hours, or is not there
_OF_HOURS = {"alert/nothing-archived", "alert/timers-silent", "alert/backlog-age", "alert/policy-lag"}


@pytest.fixture
async def worked(filled: Service, ingestion: Ingestion, configure: Configure) -> Service:
    """One chunk archived and removed, as it should be."""
    configure(TELEMETRY_EXPORTER="azuremonitor", APPLICATIONINSIGHTS_CONNECTION_STRING=ingestion.connection_string)
    await filled.publish(hypertable=f"{filled.schema}.readings", chunk=f"{filled.schema}.jan", remove=True)
    await run("drain_events")
    for message in waiting(filled):
        await run("archive_chunk", message)
    policy = f"insert into archival.policy (hypertable, archive_after) values ('{filled.schema}.readings', interval '99 years')"
    filled.execute(policy)
    await run("remove_chunks")
    await run("verify_archives")
    await run("reconcile")
    return filled


async def test_a_healthy_service_raises_no_alert(worked: Service, ingestion: Ingestion) -> None:
    insights = Insights(ingestion.envelopes)
    assert {name: rows for name, query in ALERTS.items() if (rows := insights.ask(query))} == {}
    [removed] = insights.ask(QUERIES["workbook/removed"])
    assert (removed["removed"], removed["stay"]) == (1, 0)
    [archives] = insights.ask(QUERIES["workbook/archives"])
    assert (archives["succeeded"], archives["failed"]) == (1, 0)
    functions = {row["name"] for row in insights.ask(QUERIES["workbook/functions"])}
    assert {"drain_events", "remove_chunks", "verify_archives", "reconcile"} < functions
    assert insights.ask(QUERIES["workbook/freed"])[0]["bytes"] > 0
    assert insights.ask(QUERIES["workbook/verified"])[0]["verified"] == 1


async def test_a_service_that_is_down_raises_one() -> None:
    assert {name: len(rows) for name, query in ALERTS.items() if (rows := Insights([]).ask(query))} == {
        "alert/timers-silent": 1
    }


async def test_a_bad_day_is_seen_on_every_page(worked: Service, ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch) -> None:
    service = worked
    failures = [TransientError("the lake is away", code="lake-unavailable"), PermanentError("no", code="lake-refused")]

    async def broken(*_: object) -> None:
        raise failures.pop(0)

    # one job fails in passing and then for good
    service.execute("create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z')")
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.mar")
    await run("drain_events")
    [message] = waiting(service)
    with monkeypatch.context() as patched:
        patched.setattr(Publishing, "publish", broken)
        with pytest.raises(TransientError):
            await run("archive_chunk", message)
        await run("archive_chunk", message)
    # an archive is damaged, so that its chunk stays
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.feb", remove=True)
    await run("drain_events")
    for message in waiting(service):
        await run("archive_chunk", message)
    [part] = [file for file in service.files("tables") if "feb" in file and file.endswith(".parquet")]
    (service.lake / part).write_bytes(b"x")
    await run("verify_archives")
    await run("remove_chunks")
    # an event and a message that nobody can use
    await service.publish(hypertable="no such")
    await run("drain_events")
    await run("archive_chunk_poison", "{not base64}")
    # something in the lake that is no archive, and a message that waits
    stray = service.lake / "tables" / f"{service.schema}.readings" / "stray"
    stray.mkdir()
    (stray / "a.parquet").write_bytes(b"x")
    service.execute("create table $s.apr partition of $s.readings for values from ('2026-04-01Z') to ('2026-05-01Z')")
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.apr")
    await run("drain_events")
    await run("reconcile")

    insights = Insights(ingestion.envelopes)
    raised = {name: len(insights.ask(query)) for name, query in ALERTS.items() if name not in _OF_HOURS}
    assert raised == dict.fromkeys(ALERTS.keys() - _OF_HOURS, 1) | {"alert/dead-letters": 2}
    for name, metric in (("alert/backlog-age", "archival.queue.age"), ("alert/policy-lag", "archival.policy.lag")):
        assert insights.ask(ALERTS[name].replace("> ${", ">= 0 * ${")), metric
    [failed] = insights.ask(QUERIES["workbook/failures"])
    assert (failed["jobs"], failed["reason"]) == (1, "lake-refused")
    assert failed["example"] == f"{service.schema}.mar"
    assert {row["name"] for row in insights.ask(QUERIES["workbook/dead"])} == {
        "archival.event.buried",
        "archival.message.buried",
    }
    [kept] = insights.ask(QUERIES["workbook/kept"])
    assert (kept["chunk"], kept["reason"]) == (f"{service.schema}.feb", "archive-damaged")
    [damaged] = insights.ask(QUERIES["workbook/damaged"])
    assert (damaged["chunk"], damaged["only_copy"].lower()) == (f"{service.schema}.feb", "false")
    empty = [name for name, query in QUERIES.items() if not name.startswith("alert/") and not insights.ask(query)]
    assert empty == ["telemetry.md/0"], "its job is a placeholder"
    job_id = str(service.jobs()[0]["job_id"])
    story = insights.ask(QUERIES["telemetry.md/0"].replace("00000000-0000-0000-0000-000000000000", job_id))
    assert {row["itemType"] for row in story} >= {"RequestData", "RemoteDependencyData", "EventData"}
