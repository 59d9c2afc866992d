"""`POST /jobs/{job_id}/settle`: a person's word for what became of the rows of an archive whose table is gone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi import Body as BodyParameter
from pydantic import BaseModel, Field, StrictBool

from archival_core.api import problems
from archival_core.api.management.jobs.job_view import JobView, view
from archival_core.api.management.jobs.jobs import JobId
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import WITH_BODY, Body, Caller, Text
from archival_core.api.services import Current
from archival_core.flows.upkeep.missing_tables.rows_elsewhere import RowsFound
from archival_core.flows.upkeep.missing_tables.settling import Became, RowsLooked

router = APIRouter(tags=["archives"], route_class=Audited)

_EXAMPLES = {
    "moved": {
        "summary": "the chunk was merged into another, and its rows were changed there",
        "value": {"rows": "moved", "reason": "merged in March, values corrected since"},
    },
    "dropped": {
        "summary": "the chunk was dropped, and some of its rows were brought again",
        "value": {"rows": "dropped", "reason": "dropped by hand, two devices were replayed"},
    },
}


class SettleAsked(Body):
    """What became of the rows, and how it is known."""

    rows: Became = Field(
        description="`moved`: other tables have them, and the archive is forgotten; `dropped`: the lake alone has them"
    )
    reason: Text = Field(description="kept in the audit")
    dry_run: StrictBool = Field(default=False, description="say how many of the rows are there, and record nothing")


class SettledView(BaseModel):
    """The archive, and what is known of its rows."""

    job: JobView
    rows_there: RowsFound | None = Field(
        description="of a dry run: how many of the archive's rows are in the hypertable; null where that cannot be told"
    )
    later_archive: bool | None = Field(
        description="of a dry run: whether a later archive of the range may have some of the rows; null where nobody can tell"
    )
    untold: str | None = Field(description="of a dry run: why that cannot be told")

    def about_jobs(self) -> Iterable[UUID]:
        """The archive's."""
        return (self.job.job_id,)


@router.post("/jobs/{job_id}/settle", responses=problems.documented(404, 409, *WITH_BODY))
async def settle_archive(
    services: Current,
    caller: Caller,
    job_id: JobId,
    asked: Annotated[SettleAsked, BodyParameter(openapi_examples=_EXAMPLES)],
) -> SettledView:
    """Say what became of the rows of an archive whose removal is refused as `archive-undecided`.

    Whoever says it should look first: a dry run compares all rows of the archive with the hypertable.
    """
    await services.jobs.get(job_id)
    looked = RowsLooked(None, None, None)
    if asked.dry_run:
        looked = await services.settling.look(job_id, asked.rows)
    else:
        await services.settling.settle(job_id, asked.rows, asked.reason, caller)
    job = view(await services.jobs.get(job_id))
    return SettledView(job=job, rows_there=looked.found, later_archive=looked.later_archive, untold=looked.untold)
