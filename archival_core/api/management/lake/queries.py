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

from archival_core.api import problems
from archival_core.api.management.lake.accepting import accepted
from archival_core.api.management.lake.query_views import QueryAnswer, QueryRequest
from archival_core.api.management.requests.fields import WITH_BODY
from archival_core.api.services import Current
from archival_core.query.question.forms import Form

router = APIRouter(tags=["queries"])

_JSON: Final = "application/json"
#: Media types of answers, and the form of each, as `query.question.forms` names them.
_FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        _JSON: "json",
        "text/csv": "csv",
        "application/vnd.apache.arrow.stream": "arrow",
        "application/vnd.apache.parquet": "parquet",
    }
)

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

    The headers `archival-query-cut`, `archival-query-figures` and `archival-query-notes` say in every form what JSON has
    beside the rows, and `archival-query-rows` how many rows there are.
    """
    media = _JSON if request.explain else accepted(accept, [*_FORMS])
    queries, form = services.queries, _FORMS[media]
    answer = queries.collected(request.sql, form, max_rows=request.max_rows, as_text=request.as_text, explain=request.explain)
    collected = await queries.calling_off.answered(request.id, answer)
    found, figures = collected.answer, asdict(collected.answer.figures)
    notes = [asdict(note) for note in found.notes]
    # a header has ASCII alone, and as JSON so have the names in it
    headers = {"archival-query-figures": json.dumps(figures), "archival-query-rows": str(found.rows)}
    headers |= {"archival-query-cut": found.cut} if found.cut else {}
    headers |= {"archival-query-notes": json.dumps(notes)} if notes else {}
    if media != _JSON:
        return Response(collected.body, media_type=media, headers=headers)
    columns = [{"name": name, "type": kind} for name, kind in found.columns]
    # the rows are JSON already, made in a thread
    told = {"columns": columns, "cut": found.cut, "figures": figures, "notes": notes, "tables": found.tables}
    head = json.dumps(told, ensure_ascii=False).encode()
    return Response(b'{"rows":' + (collected.body or b"[]") + b"," + head[1:], media_type=_JSON, headers=headers)
