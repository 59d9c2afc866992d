"""What the page is told. Sizes are bytes, times RFC 3339 in UTC; names, reasons and errors are plain text, never HTML."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from archival_core.model.job import Kind


class Model(BaseModel):
    """Values are read from the flows' own."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Sums(Model):
    """Of chunks that came to one outcome."""

    jobs: int = 0
    rows: int = 0
    source_bytes: int = Field(default=0, description="size in the database, indexes included")
    parquet_bytes: int = 0


class Range(Model):
    """`[start, end)` of the time dimension: RFC 3339, or digits where it is an integer; `null` is an open end."""

    start: str | None = Field(examples=["2026-01-01T00:00:00Z"])
    end: str | None = Field(examples=["2026-01-02T00:00:00Z"])


class Running(Model):
    """A job that a worker has in hand."""

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    range: Range
    attempt: int
    started_at: datetime
    parts: int | None = Field(description="`null` while it is not planned, or read in one go")
    parts_done: int
    rows_done: int


class Failed(Model):
    """A job that failed and was not made up for; `POST /jobs/{job_id}/retry` queues it again."""

    job_id: UUID
    kind: Kind
    hypertable: str
    chunk: str
    attempt: int
    finished_at: datetime
    code: str
    message: str


class Letter(Model):
    """An event or a message that could not be used."""

    entry_id: str
    reason: str
    is_event: bool = Field(description="an event can be replayed; a message that names no job cannot")


class Waiting(Model):
    """A queue."""

    messages: int = Field(description="those in flight included")
    poisoned: int
    oldest: datetime | None


class Stream(Model):
    """The event stream."""

    entries: int
    pending: int = Field(description="seen by a worker and not acknowledged")
    lag: int | None = Field(description="seen by no worker; `null` where Redis cannot tell")
    dead: int


class Behind(Model):
    """The oldest chunk that a policy wants archived and that is not."""

    hypertable: str
    chunk: str
    days: float | None = Field(description="since it became due; `null` without a date")


class Numbers(Model):
    """What the ledger says."""

    jobs: dict[str, int] = Field(description="jobs by their state", examples=[{"queued": 4, "archived": 1200}])
    archived: Sums
    removed: Sums
    restored: Sums
    failures: int = Field(description="how often jobs failed, ever")
    findings: int = Field(description="files of archives that are not as they were written")
    paused: bool = Field(description="events wait in their stream, and policies ask for nothing")


class Overview(Model):
    """Everything but the charts. What a source could not tell is `null`, and the source is named in `away`."""

    generated_at: datetime
    numbers: Numbers | None
    running: list[Running] | None
    failed: list[Failed] | None
    dead_letters: list[Letter] | None
    queues: dict[str, Waiting] | None
    stream: Stream | None
    behind: list[Behind] | None
    dependencies: dict[str, Literal["ok", "failed"]] | None
    away: list[str] = Field(examples=[["queues"]])
