"""The page that an operator keeps open, and its data."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Response
from starlette.exceptions import HTTPException

from archival_core.api import problems
from archival_core.api.dashboard import chart_models as charts
from archival_core.api.dashboard import hypertables as tables
from archival_core.api.dashboard import models as models
from archival_core.api.dashboard import overview as told
from archival_core.api.dashboard import page_files
from archival_core.api.services import Current
from archival_core.errors import TransientError

router = APIRouter(tags=["dashboarding"])

_SHOWN_REASON: Final = 500
#: In seconds: the catalog of a source with thousands of chunks takes longer, and tells its figures with the next look.
_PATIENCE = 0.5
_ANONYMOUS: Final[dict[str, Any]] = {"security": []}
_KEYED: Final = problems.documented(401, 422, 429, 500, 503)
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "the file", "content": {"text/html": {"schema": {"type": "string"}}}},
    304: {"description": "the caller has it already"},
    **problems.documented(422, 429, 500),
}
KnownTag = Annotated[str | None, Header(alias="if-none-match", include_in_schema=False)]
Encodings = Annotated[str, Header(alias="accept-encoding", include_in_schema=False)]


@router.get("/dashboard", response_class=Response, responses=_FILE, openapi_extra=_ANONYMOUS)
async def page(known_tag: KnownTag = None, encodings: Encodings = "") -> Response:
    """The page, without data: it asks for the function key and fetches them."""
    return page_files.page(known_tag, encodings)


@router.get(
    "/dashboard/static/{version}/{file:path}",
    response_class=Response,
    responses=_FILE | problems.documented(404),
    openapi_extra=_ANONYMOUS,
    include_in_schema=False,
)
async def static(version: str, file: str, encodings: Encodings = "") -> Response:
    """A file of the page, at the address that the page of this version gives it."""
    found = page_files.file(version, file, encodings)
    if found is None:
        raise HTTPException(404)
    return found


@router.get("/dashboard/overview", responses=_KEYED)
async def overview(services: Current) -> models.Overview:
    """What is going on now, within 3 s. A source that does not answer is named in `away`, and takes nothing else with it: what
    is told of it is of before, or `null`."""
    insights = services.insights
    measured, lists, letters, intake, month, maps = await asyncio.gather(
        insights.measure(_PATIENCE),
        insights.lists(),
        insights.dead_letters(),
        insights.intake(),
        insights.freed_this_month(),
        services.chunk_map.all(_PATIENCE),
    )
    ledger, stream, listed, paused = measured.ledger.last, measured.stream.last, lists.last, intake.last
    due = told.due_chunks(maps.last, measured.taken_at) if maps.last is not None else None
    waiting = None if due is None else len(due)
    states = measured.dependencies.last
    return models.Overview(
        generated_at=measured.taken_at,
        numbers=told.numbers(ledger) if ledger else None,
        running=[models.Running.model_validate(job) for job in listed.running] if listed else None,
        failed=[models.Failed.model_validate(failure) for failure in listed.failures] if listed else None,
        failures=told.failures(listed.failure_groups) if listed else None,
        refusals=told.refusals(listed.refusal_groups) if listed else None,
        dead_letters=None
        if letters.last is None
        else [
            models.Letter(entry_id=letter.entry_id, reason=letter.reason[:_SHOWN_REASON], is_event=letter.is_event)
            for letter in letters.last
        ],
        queues=None
        if measured.queues.last is None
        else {name: models.Waiting.model_validate(state) for name, state in measured.queues.last.items()},
        stream=models.Stream.model_validate(stream) if stream else None,
        behind=None if measured.overdue.last is None else told.behind(measured.overdue.last),
        intake=models.Intake.model_validate(paused) if paused else None,
        backlog=told.backlog(ledger, listed.pace if listed else None, waiting) if ledger else None,
        money=told.money(ledger, None if month.last is None else sum(month.last.values()), services.prices) if ledger else None,
        dependencies=None if states is None else told.dependencies(states),
        away=told.away(measured, lists, dead_letters=letters, intake=intake),
        lake_url=services.lake_url,
        trace_url=services.trace_url,
    )


@router.get("/dashboard/timeline", responses=_KEYED)
async def timeline(
    services: Current,
    days: Annotated[int, Query(ge=1, le=366, description="how many, today included")] = 30,
    hypertable: Annotated[str | None, Query(max_length=140, description="of one alone")] = None,
) -> charts.Timeline:
    """What was archived, removed and restored on each day in UTC."""
    found = await services.insights.timeline(days, hypertable)
    return charts.Timeline(days=[charts.timeline_day(day) for day in found])


@router.get("/dashboard/hypertables", responses=_KEYED)
async def hypertables(services: Current) -> charts.Hypertables:
    """Every hypertable, all of its chunks counted."""
    insights = services.insights
    maps, measured, failures, month = await asyncio.gather(
        services.chunk_map.all(), insights.measure(), insights.open_failures(), insights.freed_this_month()
    )
    found = maps.last
    if found is None or measured.ledger.last is None:
        raise TransientError("the chunks are not told in time", code="no-answer")
    overdue, failed, freed = measured.overdue.last or {}, failures.last or {}, month.last
    return charts.Hypertables(
        as_of=maps.as_of,
        hypertables=[tables.summary(one, measured.ledger.last, overdue, failed, services.prices, freed) for one in found],
    )


@router.get("/dashboard/due", responses=_KEYED)
async def due(
    services: Current,
    skip: Annotated[int, Query(ge=0, le=2**31, description="so many are left out at the beginning")] = 0,
    limit: Annotated[int, Query(ge=1, le=500, description="how many, at most")] = 100,
) -> models.DueChunks:
    """The chunks of all hypertables that `backlog.due` of the overview counts, from the same look at them."""
    maps = await services.chunk_map.all()
    found = told.due_chunks(maps.last, datetime.now(UTC)) if maps.last is not None else None
    if found is None:
        raise TransientError("the chunks are not told in time", code="no-answer")
    return models.DueChunks(as_of=maps.as_of, total=len(found), chunks=found[skip : skip + limit])


@router.get("/dashboard/errors", responses=_KEYED)
async def errors() -> models.ErrorCatalogue:
    """What each code of an error means, and what to do about it."""
    return told.catalogue()


@router.get("/dashboard/chunks", responses=_KEYED | problems.documented(404))
async def chunks(
    services: Current,
    hypertable: Annotated[str, Query(max_length=300)],
    first: Annotated[
        float | None, Query(alias="from", description="seconds since 1970, or the integer of integer time")
    ] = None,
    last: Annotated[float | None, Query(alias="to")] = None,
    bins: Annotated[int, Query(ge=1, le=2000, description="where there are more chunks, they are counted in so many")] = 400,
) -> charts.ChunkMapView:
    """Every chunk of a hypertable, or of a stretch of its axis."""
    found = await services.chunk_map.one(hypertable)
    if found.last is None:
        raise TransientError("the chunks are not told in time", code="no-answer")
    return tables.chunk_map(found.last, first, last, bins)
