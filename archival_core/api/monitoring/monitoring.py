"""Health and metrics: what a load balancer, a deployment, Prometheus or an operator asks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel, Field

from archival_core.api import problems
from archival_core.api.monitoring.metrics import Snapshot
from archival_core.api.services import Current, Provider
from archival_core.errors import SettingsError
from archival_core.flows.insight.readiness import ReadinessCheck, Tries

router = APIRouter(tags=["monitoring"])

_ANONYMOUS: dict[str, Any] = {"security": []}


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Which dependencies answer; why one does not is in the service's log."""

    status: Literal["ok", "failed"]
    checks: dict[str, Literal["ok", "failed"]] = Field(examples=[{"ledger": "ok", "redis": "failed", "queue": "ok"}])
    tried: dict[str, Tries] = Field(
        description="`write`: something was written, as the work writes; `look`: nothing was, so a dependency that takes no"
        " writes may be `ok`",
        examples=[{"ledger": "write", "redis": "write", "queue": "look"}],
    )


@router.get("/health/live", responses=problems.documented(422, 429, 500), openapi_extra=_ANONYMOUS)
async def live() -> Liveness:
    """Whether the process answers."""
    return Liveness()


async def _readiness(request: Request) -> ReadinessCheck | None:
    provider: Provider = request.app.state.services
    try:
        return provider().readiness
    except SettingsError:
        # which setting it is stands in the log of every other function; an anonymous caller is not told
        return None


@router.get(
    "/health/ready",
    responses={
        **problems.documented(422, 429, 500),
        503: {"model": Readiness, "description": "a dependency does not answer, or a setting is missing or wrong"},
    },
    openapi_extra=_ANONYMOUS,
)
async def ready(response: Response, readiness: Annotated[ReadinessCheck | None, Depends(_readiness)]) -> Readiness:
    """Whether every dependency answers within 2 s: to a write where `tried` says so."""
    answers = {"settings": False} if readiness is None else await readiness.check()
    response.status_code = 200 if all(answers.values()) else 503
    return Readiness(
        status="ok" if all(answers.values()) else "failed",
        checks={name: "ok" if answered else "failed" for name, answered in answers.items()},
        tried={} if readiness is None else readiness.tries,
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "one family after the other, each with its `HELP`",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "archival_dead_letters 0.0\n"},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        },
        **problems.documented(401, 422, 429, 500, 503),
    },
)
async def metrics(services: Current, accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
    """Metrics in the text format of Prometheus, or as OpenMetrics where `Accept` asks for it.

    A source that does not answer leaves its families out and `archival_scrape_success` at 0. Numbers may be some seconds old.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Snapshot(await services.insights.measure()))
    encode, content_type = choose_encoder(accept)
    return Response(encode(registry), headers={"Content-Type": content_type})
