"""`/queries`: SQL over whole tables, archived and live rows as one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response
from fastapi import Body as BodyParameter
from fastapi.openapi.models import Example
from pydantic import BaseModel, ConfigDict, Field

from archival_core.api import problems
from archival_core.api.management.requests.fields import WITH_BODY, Body, Sql, Text
from archival_core.api.services import Current
from archival_core.errors import PermanentError
from archival_core.query.forms import Form

router = APIRouter(tags=["queries"])

_JSON: Final = "application/json"
#: Media types of answers, and the form that `query.answers` has of each.
_FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        _JSON: "json",
        "text/csv": "csv",
        "application/vnd.apache.arrow.stream": "arrow",
        "application/vnd.apache.parquet": "parquet",
    }
)
_ANY: Final = {"*/*", "application/*", ""}


class QueryRequest(Body):
    """A question."""

    sql: Sql = Field(
        description="one SELECT of DuckDB over tables of the source",
        examples=["SELECT count(*), max(time) FROM public.conditions WHERE time > '2026-01-01'"],
    )
    max_rows: int | None = Field(default=None, ge=1, description="fewer rows than the service would give", strict=True)
    as_text: list[Text] = Field(
        default_factory=list, max_length=100, description="columns whose values are wanted as the text that PostgreSQL prints"
    )


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
    bytes_read: int = Field(description="of the files that were read, as they lie in the lake")
    live_rows: int = Field(description="that came from the database")
    seconds: float
    snapshots: int = Field(description="that had to be taken")


class QueryAnswer(BaseModel):
    """Rows, each a list of values; what JSON has no form for is text, a decimal and a moment for example."""

    columns: list[ColumnView]
    rows: list[list[Any]]
    cut: str | None = Field(description="`rows` or `bytes`, if that limit has cut the answer off", examples=[None, "rows"])
    figures: FiguresView


_EXAMPLES: Final[dict[str, Example]] = {
    "a mean for each day": {
        "value": {"sql": "SELECT time::date AS day, avg(temperature) FROM public.conditions GROUP BY ALL ORDER BY ALL"}
    },
    "exact text of a column": {"value": {"sql": "SELECT price FROM public.trades", "as_text": ["price"], "max_rows": 100}},
}
_CONTENT: Final[dict[str, Any]] = {media: {} for media in _FORMS if media != _JSON}


@router.post(
    "/queries",
    response_model=QueryAnswer,
    responses={**problems.documented(404, 406, 409, *WITH_BODY), 200: {"content": _CONTENT, "description": "the rows"}},
)
async def query(
    services: Current,
    request: Annotated[QueryRequest, BodyParameter(openapi_examples=_EXAMPLES)],
    accept: Annotated[str, Header(pattern=r"^[\x20-\x7e]*$")] = _JSON,
) -> Response:
    """Answer a question in SQL: archived and live rows, each once, from one moment.

    The headers `archival-query-cut` and `archival-query-figures` say in every form what JSON has beside the rows.
    """
    media = _media(accept)
    answer = await services.queries.collected(request.sql, _FORMS[media], max_rows=request.max_rows, as_text=request.as_text)
    found, figures = answer.result, asdict(answer.figures)
    headers = {"archival-query-figures": json.dumps(figures)} | ({"archival-query-cut": found.cut} if found.cut else {})
    if media != _JSON:
        return Response(found.body, media_type=media, headers=headers)
    columns = [{"name": name, "type": kind} for name, kind in found.columns]
    # the rows are JSON already, made in a thread
    head = json.dumps({"columns": columns, "cut": found.cut, "figures": figures}, ensure_ascii=False).encode()
    return Response(b'{"rows":' + found.body + b"," + head[1:], media_type=_JSON, headers=headers)


def _media(accept: str) -> str:
    """The first media type of `Accept` that there is; raises `PermanentError` (`not-acceptable`)."""
    for part in accept.split(","):
        asked = part.partition(";")[0].strip().lower()
        if asked in _ANY:
            return _JSON
        if asked in _FORMS:
            return asked
    raise PermanentError(f"there is {', '.join(_FORMS)}", code="not-acceptable")
