"""Questions and their answers, as HTTP has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from archival_core.api.management.requests.fields import Body, Sql, Text
from archival_core.query.results import ResultForm, ResultState

_ID: Final = "of the question, by which it can be called off before there is an answer: `DELETE /queries/{id}`"


class QueryRequest(Body):
    """A question."""

    sql: Sql = Field(
        description="one SELECT of DuckDB over tables of the source",
        examples=["SELECT count(*), max(time) FROM public.conditions WHERE time > '2026-01-01'"],
    )
    max_rows: int | None = Field(default=None, ge=1, description="fewer rows than the service would give", strict=True)
    as_text: list[Text] = Field(
        default_factory=list,
        max_length=100,
        description="columns of the tables, in any case, whose values are wanted as the text that PostgreSQL prints",
    )
    explain: bool = Field(
        default=False,
        description="answer the question, and tell in `tables`, in the place of rows, which archives and chunks were read",
        strict=True,
    )
    id: UUID | None = Field(default=None, description=_ID)


class ResultRequest(Body):
    """A question whose result is written below `results/` in the lake."""

    sql: Sql
    id: UUID | None = Field(default=None, description=_ID)
    form: ResultForm = Field(default="parquet", description="the form of the file")
    as_text: list[Text] = Field(default_factory=list, max_length=100)


class ColumnView(BaseModel):
    """A column of the answer."""

    name: str
    type: str = Field(description="of DuckDB", examples=["TIMESTAMP WITH TIME ZONE"])


class FiguresView(BaseModel):
    """What the answer was made of."""

    model_config = ConfigDict(from_attributes=True)

    archives: int = Field(description="that stand in for rows of the tables")
    archives_read: int = Field(description="of these; the others hold no row for the filters")
    files_read: int
    bytes_read: int = Field(
        description="of the files that were opened, as they lie in the lake: whole files, whichever columns are needed"
    )
    live_rows: int = Field(description="that came from the database")
    seconds: float
    snapshots: int = Field(description="that had to be taken")


class NoteView(BaseModel):
    """Something to know of an answer that is right as it is."""

    model_config = ConfigDict(from_attributes=True)

    code: str = Field(
        description="`former-table`: archives of a table that was dropped, and whose name another one has, are no part of it;"
        " `copy-in-doubt`: copies of archives are part of the table, and nobody knows whether their rows are there twice"
    )
    message: str
    hypertable: str = Field(examples=["public.conditions"])
    archives: int = Field(description="that are meant")


class ResultView(BaseModel):
    """A result in the lake."""

    id: str = Field(examples=["20260301T120000Z-0f3c5d1e2b0a4a3e9a437f3d8c1f5b11"])
    status: str = Field(description="`running`, `done` or `failed`")
    path: str = Field(description="in the lake; the file is whole once the status is `done`")
    begun_at: datetime
    seen_at: datetime = Field(description="when the instance that writes it was last heard of")
    expires_at: datetime
    columns: list[ColumnView]
    rows: int
    bytes: int = Field(description="of the file")
    cut: str | None = Field(description="`bytes`, if that limit has cut the result off")
    figures: FiguresView | None
    notes: list[NoteView]
    error_code: str | None
    error: str | None

    @classmethod
    def of(cls, state: ResultState) -> Self:
        """As HTTP has it."""
        columns = [{"name": name, "type": kind} for name, kind in state.columns]
        return cls.model_validate(state.model_dump() | {"columns": columns})


class ArchiveReadView(BaseModel):
    """An archive that stands in for rows."""

    chunk: str
    archive: str = Field(description="its folder in the lake")
    rows: int
    bytes: int = Field(description="of all its files")
    begin: str | None = Field(description="the least value of the time column")
    end: str | None = Field(description="and the greatest")
    is_read: bool
    why: str | None = Field(
        description="why it was not read: by its `range` of time, by the `statistics` in its files, because it is `empty`, or"
        " `not needed` since the question had its answer before",
        examples=["range", None],
    )
    row_groups: int = Field(description="of the files that were opened")
    row_groups_read: int = Field(description="of these, after a look at their statistics")
    bytes_read: int = Field(description="of the columns that were needed, in the row groups that were read")


class ChunkReadView(BaseModel):
    """A chunk in the database."""

    chunk: str
    is_read: bool = Field(description="whether it is in PostgreSQL's plan")


class TableReadView(BaseModel):
    """What was read of one table."""

    table: str
    archives: list[ArchiveReadView]
    conditions: list[str] = Field(description="what PostgreSQL was asked, for each time that the table was read")
    live_rows: int
    chunks: list[ChunkReadView]


class QueryAnswer(BaseModel):
    """Rows, each a list of values; what JSON has no form for is text, a decimal and a moment for example."""

    columns: list[ColumnView]
    rows: list[list[Any]]
    cut: str | None = Field(description="`rows` or `bytes`, if that limit has cut the answer off", examples=[None, "rows"])
    figures: FiguresView
    notes: list[NoteView] = Field(description="what to know of rows that are right as they are")
    tables: list[TableReadView] | None = Field(description="of a question with `explain`, what was read; null of others")
