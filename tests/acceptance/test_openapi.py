"""The API does what its own description says: schemathesis invents requests from it, and reads every answer against it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from archival_core.api.app import create_app
from archival_core.functions import http
from archival_core.functions.api_services import services

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
"""


def refutations(examples: int) -> list[str]:
    """What every operation answered otherwise than described, to so many valid requests and to so many invalid ones."""
    # each worker that looks for tests would take half a second for it
    import schemathesis
    from schemathesis.core.failures import FailureGroup
    from schemathesis.core.result import Ok
    from schemathesis.python import asgi
    from schemathesis.specs.openapi import checks

    described = [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.response_headers_conformance,
        checks.negative_data_rejection,
        schemathesis.checks.not_a_server_error,
    ]
    app: Any = create_app(services)
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
    found = []
    with asgi.get_client(app, max_stream_events=10) as client:
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            for mode in schemathesis.GenerationMode:

                @given(case=operation.as_strategy(generation_mode=mode))
                @settings(
                    max_examples=examples,
                    derandomize=True,
                    database=None,
                    deadline=None,
                    phases=[Phase.explicit, Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                def answers_as_described(case: Any) -> None:
                    case.validate_response(case.call(session=client), checks=described)

                try:
                    answers_as_described()
                except Unsatisfiable:
                    pass  # an operation that takes nothing can be given nothing wrong
                except FailureGroup as failures:
                    found += [f"{operation.label}: {failure}" for failure in failures.exceptions]
    return found


@pytest.mark.parametrize("examples", [3, pytest.param(10, marks=pytest.mark.slow)])
async def test_every_answer_is_described_and_none_is_a_server_error(service: Service, examples: int) -> None:
    service.execute(TABLE)
    assert await asyncio.to_thread(refutations, examples) == []


def test_every_operation_has_an_example_and_documented_answers() -> None:
    document = create_app(services).openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert all(answer["description"] for answer in operation["responses"].values()), where
            if "requestBody" in operation:
                assert operation["requestBody"]["content"]["application/json"]["examples"], where
            if operation.get("security") != []:
                assert {"401", "429", "500"} <= set(operation["responses"]), where


def test_every_operation_belongs_to_one_function() -> None:
    # The host takes the first function that matches, by its name: two of one method would hide each other. `management_read`
    # has the methods that look, and `management` the others.
    for path in create_app(services).openapi()["paths"]:
        serving = [name for name, served in http.SERVES.items() if served.fullmatch(path) and name != "management_read"]
        assert len(serving) == 1, (path, serving)
