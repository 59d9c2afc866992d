"""`/source`: which source the lake belongs to, and the marks that the source has of archives."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from archival_core.api import problems
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY
from archival_core.api.services import Current

router = APIRouter(tags=["source"], route_class=Audited)


class OwnerView(BaseModel):
    """The one source and ledger that the lake belongs to."""

    model_config = ConfigDict(from_attributes=True)

    host: str = Field(examples=["psql-archive.postgres.database.azure.com:5432"])
    database: str = Field(examples=["tsdb"])


class MarksView(BaseModel):
    """Marks that the next runs of reconcile write."""

    owed: int = Field(description="archives whose mark is written again, from what the ledger says")


@router.post("/source/takeover", responses=problems.documented(*ANY))
async def take_over(services: Current) -> OwnerView:
    """Make this service's source and ledger the owner of the lake. Whoever was the owner stops: end that service first."""
    return OwnerView.model_validate(await services.ownership.take_over())


@router.post("/source/marks/rebuild", responses=problems.documented(*ANY))
async def rebuild_marks(services: Current) -> MarksView:
    """Have every mark of removed and restored archives written again, where the source's marks were lost or not dumped."""
    return MarksView(owed=await services.mark_rebuild.owe_all())
