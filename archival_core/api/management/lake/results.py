"""`/queries/results`: large and slow results, as files in the lake."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi import Body as BodyParameter
from fastapi.openapi.models import Example

from archival_core.api import problems
from archival_core.api.management.lake.query_views import ResultRequest, ResultView
from archival_core.api.management.requests.fields import ANY, WITH_BODY
from archival_core.api.services import Current, Services

router = APIRouter(tags=["queries"])

_CONTENT: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BYTES: Final[dict[int | str, dict[str, Any]]] = {
    **problems.documented(404, 409, *ANY),
    200: {"content": _CONTENT, "description": "bytes of the file"},
}

_EXAMPLES: Final[dict[str, Example]] = {
    "a whole table": {"value": {"sql": "SELECT * FROM public.conditions", "form": "parquet"}},
}

ResultId = Annotated[str, Path(max_length=100, description="of a result, or of a question that was given one")]


@router.post("/queries/results", status_code=202, responses=problems.documented(404, 409, *WITH_BODY))
async def begin_result(
    services: Current, request: Annotated[ResultRequest, BodyParameter(openapi_examples=_EXAMPLES)], response: Response
) -> ResultView:
    """Ask a question whose result is a file below `results/` in the lake, for as long as `QUERY_RESULTS_KEPT` says.

    The question goes on after this answer. Mistakes in it are told at once.
    """
    state = await services.results.begin(request.sql, request.form, request.as_text, request.id)
    response.headers["location"] = f"/api/queries/{state.id}"
    return ResultView.of(state)


@router.get("/queries/{result}", responses=problems.documented(404, *ANY))
async def get_result(services: Current, result: ResultId) -> ResultView:
    """How far a result is."""
    return ResultView.of(await services.results.state(result))


@router.get(
    "/queries/{result}/rows",
    response_class=Response,
    responses=_BYTES,
)
async def get_result_rows(
    services: Current, result: ResultId, offset: Annotated[int, Query(ge=0, description="first byte")] = 0
) -> Response:
    """Bytes of a result that is done, from `offset` on: 8 MiB at most, and none behind its end."""
    return Response(await services.results.part(result, offset), media_type="application/octet-stream")


@router.delete("/queries/{result}", status_code=204, responses=problems.documented(404, *ANY))
async def delete_result(services: Current, result: ResultId) -> None:
    """End a question that is being answered, or whose result is being written, or remove a result.

    An answer that is not there yet is known by the id that its question was given, to the instance that answers it alone: where
    another one is asked it says `result-not-found`, and the question ends by itself when its time is over.
    """
    if not _is_called_off(services, result):
        await services.results.cancel(result)


def _is_called_off(services: Services, question: str) -> bool:
    try:
        return services.queries.calling_off.call_off(UUID(question))
    except ValueError:
        return False
