"""Health: what a load balancer, a deployment or an operator asks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from archival_core.api import problems
from archival_core.api.services import Provider
from archival_core.errors import SettingsError
from archival_core.flows import readiness
from archival_core.flows.readiness import Probe

router = APIRouter(tags=["monitoring"])

_ANONYMOUS: dict[str, Any] = {"security": []}


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Which dependencies answer; why one does not is in the service's log."""

    status: Literal["ok", "failed"]
    checks: dict[str, Literal["ok", "failed"]] = Field(examples=[{"ledger": "ok", "redis": "failed"}])


@router.get("/health/live", responses=problems.documented(429, 500), openapi_extra=_ANONYMOUS)
async def live() -> Liveness:
    """Whether the process answers."""
    return Liveness()


async def _probes(request: Request) -> dict[str, Probe] | None:
    provider: Provider = request.app.state.services
    try:
        return dict(provider().probes)
    except SettingsError:
        # which setting it is stands in the log of every other function; an anonymous caller is not told
        return None


@router.get(
    "/health/ready",
    responses={
        **problems.documented(429, 500),
        503: {"model": Readiness, "description": "a dependency does not answer, or a setting is missing or wrong"},
    },
    openapi_extra=_ANONYMOUS,
)
async def ready(response: Response, probes: Annotated[dict[str, Probe] | None, Depends(_probes)]) -> Readiness:
    """Whether every dependency answers within 2 s."""
    answers = {"settings": False} if probes is None else await readiness.check(probes)
    response.status_code = 200 if all(answers.values()) else 503
    return Readiness(
        status="ok" if all(answers.values()) else "failed",
        checks={name: "ok" if answered else "failed" for name, answered in answers.items()},
    )
