"""`POST /tables/migrate`: archives of before the lake's tables had a schema are written anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi import Body as BodyParameter
from pydantic import BaseModel, Field, StrictBool

from archival_core.api import problems
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import WITH_BODY, Body, Caller, TableName, Trace
from archival_core.api.services import Current
from archival_core.flows.tables.migrating.outdated import Planned, Way
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Status

router = APIRouter(tags=["tables"], route_class=Audited)

#: the archives that an answer lists; its sums are of all
_LISTED: Final = 1000
_MIGRATIONS = {
    "dry": {
        "summary": "which archives of one hypertable would be written anew: nothing is recorded",
        "value": {"hypertable": "public.conditions", "dry_run": True},
    },
    "all": {"summary": "every archive of before", "value": {}},
}


class MigrationAsked(Body):
    """Which archives of before."""

    hypertable: TableName | None = Field(default=None, description="those of this one alone")
    dry_run: StrictBool = Field(default=False, description="say which archives, and record nothing")


class OutdatedView(BaseModel):
    """An archive of before the lake's tables had a schema, and what is done about it."""

    job_id: UUID = Field(description="of the archive")
    hypertable: str = Field(examples=["public.conditions"])
    chunk: str = Field(examples=["_timescaledb_internal._hyper_1_1_chunk"])
    status: Status
    rows: int
    parquet_bytes: int
    lake_path: str
    way: Way = Field(
        description="`rewrite`: its chunk is gone, and its files are written anew; `archive`: its chunk is archived anew;"
        " `under way`: a job of its chunk waits or runs; `none`: nothing now, for the `reason`"
    )
    reason: str | None


class MigrationView(BaseModel):
    """Archives of before: the first thousand, and how many there are in each way."""

    archives: list[OutdatedView]
    by_way: dict[Way, int] = Field(examples=[{"rewrite": 12, "archive": 3}])
    rows: int = Field(description="of what is written or archived anew", examples=[6048000])
    parquet_bytes: int = Field(description="of the same", examples=[96468992])


@router.post("/tables/migrate", status_code=202, responses=problems.documented(*WITH_BODY))
async def migrate_tables(
    services: Current,
    asked: Annotated[MigrationAsked, BodyParameter(openapi_examples=_MIGRATIONS)],
    caller: Caller,
    trace: Trace,
) -> MigrationView:
    """Have archives of before tables had a schema written anew, as new revisions: one job for each.

    With `dry_run`, say which and how much, and record nothing.
    """
    hypertable = Relation.parse(asked.hypertable) if asked.hypertable is not None else None
    if asked.dry_run:
        return _view(await services.table_migration.plan(hypertable))
    return _view(await services.table_migration.ask(hypertable, caller, trace))


def _view(planned: Sequence[Planned]) -> MigrationView:
    anew = [one.archive for one in planned if one.way in (Way.REWRITE, Way.ARCHIVE)]
    ways = [one.way for one in planned]
    return MigrationView(
        archives=[
            OutdatedView(
                job_id=one.archive.archive,
                hypertable=one.archive.hypertable,
                chunk=one.archive.chunk,
                status=one.archive.status,
                rows=one.archive.rows,
                parquet_bytes=one.archive.bytes,
                lake_path=one.archive.lake_path,
                way=one.way,
                reason=one.reason,
            )
            for one in planned[:_LISTED]
        ],
        by_way={way: ways.count(way) for way in Way if way in ways},
        rows=sum(archive.rows for archive in anew),
        parquet_bytes=sum(archive.bytes for archive in anew),
    )
