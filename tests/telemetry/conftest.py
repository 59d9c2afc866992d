"""The service on real servers, and stand-ins for what receives its telemetry."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest

from archival_core import settings, telemetry
from dev.traces.collector import Collector
from tests.acceptance.conftest import (  # noqa: F401  fixtures
    Service,
    at_once,
    database_url,
    ledger_template,
    own_database_url,
    service,
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Receives OTLP."""
    with Collector() as running:
        yield running


class Ingestion:
    """Stands in for Application Insights: receives the envelopes of both exporters."""

    def __init__(self) -> None:
        # both exporters keep what they could not send in a folder of this name, and send it later
        self.key = str(uuid4())
        self.envelopes: list[dict[str, Any]] = []
        #: how it answers
        self.status = 200
        #: and after how many seconds
        self.delay = 0.0
        self.authorizations: list[str | None] = []
        self.url = ""

    @property
    def connection_string(self) -> str:
        return f"InstrumentationKey={self.key};IngestionEndpoint={self.url}/;LiveEndpoint={self.url}/"

    def of(self, kind: str) -> list[dict[str, Any]]:
        """`data.baseData` of each envelope of a kind (`Request`, `Event`, …), with its operation's ids."""
        return [
            {
                **envelope["data"]["baseData"],
                "operation_Id": envelope["tags"].get("ai.operation.id"),
                "operation_ParentId": envelope["tags"].get("ai.operation.parentId"),
                "cloud_RoleName": envelope["tags"].get("ai.cloud.role"),
                "iKey": envelope["iKey"],
            }
            for envelope in self.envelopes
            if envelope["data"]["baseType"] == f"{kind}Data"
        ]


@contextmanager
def listening(ingestion: Ingestion) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(ingestion.delay)
            if ingestion.status == 200 and self.path.endswith("/track"):
                text = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                received = json.loads(text)
                ingestion.envelopes += received
                ingestion.authorizations.append(self.headers.get("Authorization"))
                answer = json.dumps({"itemsReceived": len(received), "itemsAccepted": len(received), "errors": []}).encode()
            else:
                answer = b"no"
            self.send_response(ingestion.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    ingestion.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    """Receives what is meant for Application Insights."""
    found = Ingestion()
    with listening(found):
        yield found


Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Set what is given in the environment, and record by it from now on."""

    def configured(**environment: str) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.load.cache_clear()
        telemetry.configure(settings.load())

    yield configured
    telemetry.close()


TABLE = """
create table $s.readings (time timestamptz not null, value double precision, note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings
select t, random(), 'note ' || t from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""


@pytest.fixture
def filled(service: Service) -> Service:  # noqa: F811
    """Two partitions to archive."""
    service.execute(TABLE)
    return service
