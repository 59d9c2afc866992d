"""`/intake`: whether events and policies become jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field

from archival_core.api import problems
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY, WITH_BODY, Body, Caller, Text
from archival_core.api.services import Current

router = APIRouter(tags=["events"], route_class=Audited)

_PAUSE = {"reason": {"summary": "with a reason", "value": {"reason": "the source is being upgraded"}}}


class Pause(Body):
    """Why."""

    reason: Text | None = None


class IntakeView(BaseModel):
    """While it is paused, events wait in their stream and policies ask for nothing; what people ask for is done."""

    model_config = ConfigDict(from_attributes=True)

    paused: bool
    reason: str | None = Field(examples=["the source is being upgraded"])
    changed_by: str | None = Field(examples=["function key"])
    changed_at: datetime


@router.get("/intake", responses=problems.documented(*ANY))
async def get_intake(services: Current) -> IntakeView:
    """Whether the intake is paused."""
    return IntakeView.model_validate(await services.intake.state())


@router.post("/intake/pause", responses=problems.documented(*WITH_BODY))
async def pause_intake(
    services: Current,
    caller: Caller,
    asked: Annotated[Pause | None, BodyParameter(openapi_examples=_PAUSE)] = None,
) -> IntakeView:
    """Take no events and follow no policies, from the next batch on. Jobs that are queued go on."""
    return IntakeView.model_validate(await services.intake.pause(asked.reason if asked else None, caller))


@router.post("/intake/resume", responses=problems.documented(*ANY))
async def resume_intake(services: Current, caller: Caller) -> IntakeView:
    """Go on."""
    return IntakeView.model_validate(await services.intake.resume(caller))
