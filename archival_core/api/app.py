"""The HTTP API as one FastAPI application: routers, errors and its own description."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from archival_core.api import documentation, management, problems
from archival_core.api.dashboard import dashboarding
from archival_core.api.gate.compact import Compact
from archival_core.api.gate.guard import Guard
from archival_core.api.gate.patience import Patience
from archival_core.api.gate.understood import understood
from archival_core.api.monitoring import monitoring
from archival_core.api.services import Provider

PREFIX = "/api"

_DESCRIPTION = """Archives TimescaleDB chunks and PostgreSQL partitions to Parquet in a data lake.

Times are RFC 3339 with an offset; where the time column is an integer, bounds are integers. Names are `schema.name`, in double
quotes where a part holds dots or spaces. Every error is a problem detail (RFC 9457). What is not understood is refused, an
unknown parameter or field among it."""

_TAGS = [
    {"name": "archives", "description": "Ask for archives, restores and verifications, and follow their jobs."},
    {"name": "chunks", "description": "What is in the database and what is in the lake."},
    {"name": "queries", "description": "SQL over whole tables, archived and live rows as one."},
    {"name": "policies", "description": "From which age on chunks are archived, and removed."},
    {"name": "source", "description": "Which source the lake belongs to, and the marks in it."},
    {"name": "events", "description": "Dead letters, and the intake of events."},
    {"name": "monitoring", "description": "Health and metrics."},
    {"name": "dashboarding", "description": "The page and its data."},
]


def create_app(services: Provider) -> FastAPI:
    """The application; `services` is asked at each request, so that it may begin before its settings are right."""
    app = FastAPI(
        title="archival_service",
        version="1",
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(understood)],
    )
    app.state.services = services
    for router in (*management.routers(), monitoring.router, dashboarding.router, documentation.router):
        app.include_router(router, prefix=PREFIX)
    problems.install(app)
    app.add_middleware(Patience, services=services)
    app.add_middleware(Compact)
    app.add_middleware(Guard)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what FastAPI cannot know: the keys, and the schema that all problems share."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            tags=app.openapi_tags,
            routes=app.routes,
        )
        components = document.setdefault("components", {})
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        components.setdefault("schemas", {}).update({**problem.pop("$defs", {}), "Problem": problem})
        components["securitySchemes"] = {
            "header": {"type": "apiKey", "in": "header", "name": "x-functions-key", "description": "a function or host key"},
            "query": {"type": "apiKey", "in": "query", "name": "code", "description": "the same, where no header can be set"},
        }
        document["security"] = [{"header": []}, {"query": []}]
        app.openapi_schema = document
    return app.openapi_schema
