"""A chunk as JSON: where its rows are, and what happens next to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from archival_core.error_codes import CODES
from archival_core.flows.insight.outlook import ExpectedChunk
from archival_core.model.insight.chunk_state import ChunkPlace
from archival_core.model.insight.next_step import Because, NextStep, Step


class NextView(BaseModel):
    """What happens next to a chunk, when, and why not sooner."""

    model_config = ConfigDict(from_attributes=True)

    step: Step = Field(description="`nothing`: until somebody asks for it or changes something")
    because: Because = Field(description="a stable word that programs may test")
    text: str = Field(
        description="one sentence", examples=["leaves the database on 2026-11-29 13:26 UTC, when the grace is over"]
    )
    at: datetime | None = Field(description="the earliest moment; null for at once, or never")
    code: str | None = Field(description="of the error that holds it up, as in `GET /dashboard/errors`")
    remedy: str | None = Field(description="what somebody can do about that error")
    siblings: list[str] = Field(description="chunks of the same range that have to be archived first")


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
    restored_at: datetime | None = Field(description="when its rows came back")
    removal_tried_at: datetime | None = Field(description="when its removal was tried last")
    next_step: NextView


def chunk_view(found: ExpectedChunk) -> ChunkView:
    """As JSON."""
    values = {name: getattr(found.state, name) for name in ChunkView.model_fields if name != "next_step"}
    return ChunkView(**values, next_step=next_view(found.next))


def next_view(step: NextStep) -> NextView:
    """As JSON, with the remedy that the catalogue of errors has."""
    known = CODES.get(step.code) if step.code else None
    remedy = known.remedy if known and known.remedy else None
    return NextView(
        step=step.step,
        because=step.because,
        text=step.text,
        at=step.at,
        code=step.code,
        remedy=remedy,
        siblings=list(step.siblings),
    )
