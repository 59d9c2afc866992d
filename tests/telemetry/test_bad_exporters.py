"""An exporter that fails or hangs never fails a job, and holds it up by less than a second, once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest

from archival_core import settings, telemetry
from archival_core.errors import SettingsError
from archival_core.functions.observed import observed

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service
    from tests.telemetry.conftest import Configure, Ingestion

EXPORTERS = ["azuremonitor", "opencensus", "otlp"]
#: seconds: longer than any test waits
_FOR_EVER: Final = 60.0


def environment(exporter: str, ingestion: Ingestion) -> dict[str, str]:
    address = {"OTEL_EXPORTER_OTLP_ENDPOINT": ingestion.url}
    return {
        "TELEMETRY_EXPORTER": exporter,
        **(address if exporter == "otlp" else {"APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string}),
    }


async def archive(service: Service, chunk: str) -> tuple[float, float]:
    """Seconds of the job, and of what its invocation does afterwards."""
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}")
    await service.runtime.event_drain.drain()
    [message] = service.messages()
    began = ended = time.perf_counter()
    async with observed():
        await service.runtime.archival_processor.process(message)
        ended = time.perf_counter()
    return ended - began, time.perf_counter() - ended


@pytest.mark.parametrize("exporter", ["azuremonitor", "otlp", pytest.param("opencensus", marks=pytest.mark.slow)])
async def test_a_hanging_exporter(exporter: str, filled: Service, ingestion: Ingestion, configure: Configure) -> None:
    ingestion.delay = _FOR_EVER
    configure(**environment(exporter, ingestion))
    job, first = await archive(filled, "jan")
    _, second = await archive(filled, "feb")
    assert [row["status"] for row in filled.jobs()] == ["archived", "archived"]
    print(f"{exporter}: job {job:.2f} s, then {first:.3f} s and {second:.3f} s")
    assert first < 1.0
    assert second < 0.1


@pytest.mark.parametrize(
    ("status", "exporter"),
    [
        (400, "azuremonitor"),
        (500, "opencensus"),
        (None, "otlp"),
        *(pytest.param(400, exporter, marks=pytest.mark.slow) for exporter in ("opencensus", "otlp")),
        *(pytest.param(500, exporter, marks=pytest.mark.slow) for exporter in ("azuremonitor", "otlp")),
        *(pytest.param(None, exporter, marks=pytest.mark.slow) for exporter in ("azuremonitor", "opencensus")),
    ],
)
async def test_a_failing_exporter(
    exporter: str, status: int | None, filled: Service, ingestion: Ingestion, configure: Configure
) -> None:
    if status is None:
        ingestion.url = "http://127.0.0.1:9"  # nobody listens there
    else:
        ingestion.status = status
    configure(**environment(exporter, ingestion))
    job, first = await archive(filled, "jan")
    _, second = await archive(filled, "feb")
    assert [row["status"] for row in filled.jobs()] == ["archived", "archived"]
    print(f"{exporter} {status}: job {job:.2f} s, then {first:.3f} s and {second:.3f} s")
    assert max(first, second) < 1.0
    # no wait at all, only the sending; otlp tries to connect again by itself, for as long as OTEL_EXPORTER_OTLP_TIMEOUT says
    assert min(first, second) < 0.4


async def test_one_that_is_well_again_is_waited_for_again(filled: Service, ingestion: Ingestion, configure: Configure) -> None:
    ingestion.delay = 1.2
    configure(**environment("azuremonitor", ingestion))
    await archive(filled, "jan")
    ingestion.delay = 0
    deadline = time.monotonic() + 20
    while not await telemetry.flush():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ingestion.envelopes.clear()
    await archive(filled, "feb")
    assert "archival.chunk.archived" in [event["name"] for event in ingestion.of("Event")]


@pytest.mark.parametrize("exporter", ["azuremonitor", "opencensus"])
def test_a_wrong_connection_string_is_named(exporter: str, filled: Service, configure: Configure) -> None:
    with pytest.raises(SettingsError, match="APPLICATIONINSIGHTS_CONNECTION_STRING: is not set"):
        configure(TELEMETRY_EXPORTER=exporter, APPLICATIONINSIGHTS_CONNECTION_STRING="")
    with pytest.raises(SettingsError, match="APPLICATIONINSIGHTS_CONNECTION_STRING: "):
        configure(TELEMETRY_EXPORTER=exporter, APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=secret")


async def test_without_one_the_function_works_all_the_same(filled: Service, configure: Configure) -> None:
    configure(TELEMETRY_EXPORTER="none")
    settings.load.cache_clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TELEMETRY_EXPORTER", "azuremonitor")
        patched.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", "InstrumentationKey=secret")
        await archive(filled, "jan")
    assert [row["status"] for row in filled.jobs()] == ["archived"]


async def test_none_names_traces_all_the_same(filled: Service, configure: Configure) -> None:
    configure(TELEMETRY_EXPORTER="none")
    await archive(filled, "jan")
    [job] = filled.jobs()
    assert len(job["trace_id"]) == 32
    [result] = await filled.results()
    assert result["traceparent"].split("-")[1] == job["trace_id"]


@pytest.mark.parametrize("missing", ["LAKE_URL", "REDIS_URL", "SOURCE_DATABASE_URL"])
async def test_a_wrong_setting_is_told_to_application_insights(
    missing: str, filled: Service, ingestion: Ingestion, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the two variables that lead there, and nothing else: where the app runs, nobody sees its log."""
    configure(TELEMETRY_EXPORTER="none")
    monkeypatch.delenv(missing)
    monkeypatch.delenv("TELEMETRY_EXPORTER")
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", ingestion.connection_string)
    settings.load.cache_clear()
    with pytest.raises(SettingsError):
        async with observed("reconcile"):
            settings.load()
    words = f"wrong settings: {missing}: is not set"
    [line] = [found["message"] for found in ingestion.of("Message")]
    assert words in line
    [failed] = ingestion.of("RemoteDependency")  # beside the host's own request of the same name
    assert (failed["name"], failed["success"]) == ("reconcile", False)
    [error] = ingestion.of("Exception")
    assert error["exceptions"][0]["message"] == words
