"""`/tables`: the tables in the lake, and their logs."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Body as BodyParameter
from pydantic import BaseModel, ConfigDict, Field

from archival_core.api import problems
from archival_core.api.management.lake.query_views import NoteView
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY, WITH_BODY, Body, TableName, Text
from archival_core.api.services import Current, Services
from archival_core.errors import ArchivalError
from archival_core.model.chunks.chunk import Relation
from archival_core.model.lake.lake_table_state import LakeTableState

_LOG = logging.getLogger(__name__)

router = APIRouter(tags=["tables"], route_class=Audited)

_REBUILD = {"table": {"summary": "of one hypertable", "value": {"hypertable": "public.conditions"}}}


class TableFindingView(BaseModel):
    """What somebody should look at."""

    code: str = Field(examples=["table-foreign-commit"])
    message: str


class StoredColumnView(BaseModel):
    """A column of the table in the lake."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["price__2"])
    form: str = Field(description="Arrow type of its values", examples=["decimal128(12, 4)"])


class TableColumnView(BaseModel):
    """A column, and where its archived values are."""

    model_config = ConfigDict(from_attributes=True)

    name: str | None = Field(description="in the database, as it is now; null for one that was dropped", examples=["price"])
    type: str | None = Field(description="in the database", examples=["numeric(12,4)"])
    form: str | None = Field(description="Arrow type that its values have in the lake now", examples=["decimal128(12, 4)"])
    stored: list[StoredColumnView] = Field(
        description="columns of the lake, the newest first: each archived row has the value in one of them; none where the"
        " column is younger than every archive"
    )


class TableView(BaseModel):
    """A Delta table in the lake, as of its last commit."""

    model_config = ConfigDict(from_attributes=True)

    hypertable: str = Field(examples=["public.conditions"])
    path: str = Field(description="its folder, below `lake_url`", examples=["tables/public.conditions"])
    version: int | None = Field(description="of the log; null before the first commit", examples=[41])
    archives: int
    files: int
    rows: int
    left_out: int = Field(description="archives that count and cannot be in the table as they are")
    committed_at: datetime | None
    compared_at: datetime | None = Field(description="when log and ledger were compared file by file")
    due_since: datetime | None = Field(description="since when something has changed that is in no commit yet")
    finding: TableFindingView | None
    notes: list[NoteView] | None = Field(
        default=None, description="what to know of the table, where it alone was asked for; null where the source is away, too"
    )
    columns: list[TableColumnView] | None = Field(
        default=None,
        description="the hypertable's columns in the database, where it alone was asked for; null where the source is away or"
        " the hypertable is not there any more",
    )


class TableList(BaseModel):
    """Every table."""

    lake_url: str = Field(examples=["https://archive.dfs.core.windows.net/lake"])
    tables: list[TableView]


class TableWish(Body):
    """Which table."""

    hypertable: Text


@router.get("/tables", responses=problems.documented(*ANY))
async def list_tables(
    services: Current, hypertable: Annotated[TableName | None, Query(description="this one alone")] = None
) -> TableList:
    """The Delta table of each hypertable that has archives: its version, what is in it, and what is wrong with its log."""
    states = await services.tables.states()
    if hypertable is None:
        return TableList(lake_url=services.lake_url, tables=[_view(services, state) for state in states])
    name = Relation.parse(hypertable)
    found = [_view(services, state) for state in states if state.hypertable == str(name)]
    told = {"notes": await _notes(services, name), "columns": await _columns(services, name)} if found else {}
    return TableList(lake_url=services.lake_url, tables=[view.model_copy(update=told) for view in found])


async def _notes(services: Services, hypertable: Relation) -> list[NoteView] | None:
    try:
        note = await services.former_tables.note(hypertable)
    except ArchivalError as error:
        _LOG.warning("what is to be known of %s is not: %s", hypertable, error)
        return None
    return [] if note is None else [NoteView.model_validate(note)]


async def _columns(services: Services, hypertable: Relation) -> list[TableColumnView] | None:
    try:
        return [TableColumnView.model_validate(place) for place in await services.column_places.of(hypertable)]
    except ArchivalError as error:
        _LOG.warning("the columns of %s are not known: %s", hypertable, error)
        return None


@router.post("/tables/rebuild", responses=problems.documented(404, *WITH_BODY))
async def rebuild_table(services: Current, asked: Annotated[TableWish, BodyParameter(openapi_examples=_REBUILD)]) -> TableView:
    """Make a table's log anew from ledger and marks. The log of before is kept below `superseded/`."""
    return _view(services, await services.tables.rebuild(str(Relation.parse(asked.hypertable))))


def _view(services: Services, state: LakeTableState) -> TableView:
    return TableView.model_validate(asdict(state) | {"path": services.tables.place_of(state.hypertable)})
