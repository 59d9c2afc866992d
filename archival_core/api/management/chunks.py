"""`/hypertables` and `/chunks`: what is in the database, and what is in the lake."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from archival_core.api import problems
from archival_core.api.management import cursor
from archival_core.api.management.fields import ANY, Limit, TableName
from archival_core.api.services import Current
from archival_core.model.chunk import Relation
from archival_core.model.chunk_state import ChunkPlace

router = APIRouter(tags=["chunks"])


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


class ChunkView(BaseModel):
    """A chunk of the database, or an archive whose chunk is gone."""

    model_config = ConfigDict(from_attributes=True)

    chunk: str = Field(examples=["_timescaledb_internal._hyper_1_1_chunk"])
    range_start: str | None = Field(examples=["2026-01-01T00:00:00Z"])
    range_end: str | None = Field(examples=["2026-01-08T00:00:00Z"])
    state: ChunkPlace
    in_database: bool
    database_bytes: int | None = Field(description="on disk now, indexes included")
    rows_estimated: int | None = Field(description="by the database's statistics")
    rows: int | None = Field(description="of the archive")
    source_bytes: int | None = Field(description="on disk when it was archived")
    parquet_bytes: int | None
    lake_path: str | None
    job_id: UUID | None
    finished_at: datetime | None
    error: dict[str, Any] | None = Field(description="why it failed, or why it is not removed")


class ChunkPage(BaseModel):
    """A page of chunks, by their range."""

    hypertable: str
    chunks: list[ChunkView]
    next: str | None = Field(description="the cursor of the next page; null at the end")


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
    after: Annotated[str | None, Query(alias="cursor", max_length=1000, description="`next` of the page before")] = None,
    limit: Limit = 100,
) -> ChunkPage:
    """Chunks of a hypertable by their range, with the state of their archives; archives whose chunk is gone are among them."""
    place = cursor.read_chunk(after) if after is not None else None
    states, following = await services.chunks.page(Relation.parse(hypertable), place, limit)
    return ChunkPage(
        hypertable=hypertable,
        chunks=[ChunkView.model_validate(state) for state in states],
        next=cursor.of_chunk(following) if following else None,
    )
