"""`/hypertables` and `/chunks`: what is in the database, and what is in the lake."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from archival_core.api import problems
from archival_core.api.management.chunks.chunk_view import ChunkView, chunk_view
from archival_core.api.management.requests import cursor
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY, Limit, TableName
from archival_core.api.management.requests.many import ErrorCode
from archival_core.api.services import Current
from archival_core.flows.insight.outlook import ChunkFilter
from archival_core.model.chunks.chunk import Relation
from archival_core.model.insight.chunk_state import ChunkPlace
from archival_core.model.insight.next_step import Because, Step

router = APIRouter(tags=["chunks"], route_class=Audited)


class HypertableView(BaseModel):
    """A table whose chunks can be archived, or were."""

    hypertable: str = Field(examples=["public.conditions"])
    kind: Literal["timescaledb", "native"] | None = Field(description="null if it is not in the source any more")
    time_column: str | None = Field(examples=["time"])
    time_type: str | None = Field(examples=["timestamp with time zone"])
    chunks: int = Field(description="in the database now", examples=[52])


class HypertablesView(BaseModel):
    """Every one, by name."""

    hypertables: list[HypertableView]


class ChunkPage(BaseModel):
    """A page of chunks, by their range."""

    hypertable: str
    chunks: list[ChunkView]
    next: str | None = Field(description="the cursor of the next page; null at the end")
    total: int | None = Field(description="chunks and archives of the whole list; null where no filter narrows it")


@router.get("/hypertables", responses=problems.documented(*ANY))
async def list_hypertables(services: Current) -> HypertablesView:
    """Hypertables and partitioned tables of the source, and those that only have archives left."""
    return HypertablesView(
        hypertables=[
            HypertableView(
                hypertable=known.name,
                kind=known.source.kind if known.source else None,
                time_column=known.source.time_column if known.source else None,
                time_type=known.source.time_type if known.source else None,
                chunks=known.source.chunks if known.source else 0,
            )
            for known in await services.chunks.hypertables()
        ]
    )


@router.get("/chunks", responses=problems.documented(404, 409, *ANY))
async def list_chunks(
    services: Current,
    hypertable: Annotated[TableName, Query()],
    state: Annotated[list[ChunkPlace] | None, Query(description="any of these", examples=[["archived"]])] = None,
    because: Annotated[
        list[Because] | None, Query(description="whose next step has one of these reasons", examples=[["due", "paused"]])
    ] = None,
    step: Annotated[list[Step] | None, Query(description="whose next step is one of these", examples=[["archive"]])] = None,
    code: Annotated[
        list[ErrorCode] | None,
        Query(
            max_length=50,
            description="whose next step is held up by one of these errors",
            examples=[["removal-blocked"]],
        ),
    ] = None,
    in_database: Annotated[
        bool | None, Query(description="only chunks that are in the database, or only archives that are in the lake alone")
    ] = None,
    after: Annotated[str | None, Query(alias="cursor", max_length=1000, description="`next` of the page before")] = None,
    limit: Limit = 100,
) -> ChunkPage:
    """Chunks of a hypertable by their range, with the state of their archives; archives whose chunk is gone are among them.

    With a filter, every chunk of the hypertable is looked at, which takes longer than a page.
    """
    place = cursor.read_chunk(after) if after is not None else None
    wanted = ChunkFilter(
        frozenset(state or ()), frozenset(because or ()), frozenset(step or ()), frozenset(code or ()), in_database
    )
    total = None
    if wanted == ChunkFilter():
        states, following = await services.chunks.page(Relation.parse(hypertable), place, limit)
    else:
        states, following, total = await services.chunks.matching(Relation.parse(hypertable), wanted, place, limit)
    return ChunkPage(
        hypertable=hypertable,
        chunks=[chunk_view(state) for state in states],
        next=cursor.of_chunk(following) if following else None,
        total=total,
    )
