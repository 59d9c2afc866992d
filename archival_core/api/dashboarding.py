"""The page that an operator keeps open, and its data."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Response
from starlette.exceptions import HTTPException

from archival_core.api import chart_models as charts
from archival_core.api import dashboard_models as models
from archival_core.api import page_files, problems
from archival_core.api.services import Current
from archival_core.errors import TransientError
from archival_core.flows.insight.insights import Measurements
from archival_core.model.insight import LedgerState, Outcome, OutcomeTotals, Totals

router = APIRouter(tags=["dashboarding"])

_SECONDS_A_DAY: Final = 86_400
_SHOWN_REASON: Final = 500
_ANONYMOUS: Final[dict[str, Any]] = {"security": []}
_KEYED: Final = problems.documented(401, 422, 429, 500, 503)
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "the file", "content": {"text/html": {"schema": {"type": "string"}}}},
    304: {"description": "the caller has it already"},
    **problems.documented(422, 429, 500),
}
KnownTag = Annotated[str | None, Header(alias="if-none-match", include_in_schema=False)]


@router.get("/dashboard", response_class=Response, responses=_FILE, openapi_extra=_ANONYMOUS)
async def page(known_tag: KnownTag = None) -> Response:
    """The page, without data: it asks for the function key and fetches them."""
    return _file("page.html", known_tag)


@router.get(
    "/dashboard/static/{file}",
    response_class=Response,
    responses=_FILE | problems.documented(404),
    openapi_extra=_ANONYMOUS,
    include_in_schema=False,
)
async def static(file: str, known_tag: KnownTag = None) -> Response:
    """A file of the page."""
    return _file(file, known_tag)


@router.get("/dashboard/overview", responses=_KEYED)
async def overview(services: Current) -> models.Overview:
    """What is going on now. A source that does not answer is named in `away`, and takes nothing else with it."""
    insights = services.insights
    measured, lists, letters = await asyncio.gather(insights.measure(), insights.lists(), insights.dead_letters())
    ledger, stream = measured.ledger.value, measured.stream.value
    return models.Overview(
        generated_at=measured.taken_at,
        numbers=_numbers(ledger) if ledger else None,
        running=[models.Running.model_validate(job) for job in lists.value.running] if lists.value else None,
        failed=[models.Failed.model_validate(failure) for failure in lists.value.failures] if lists.value else None,
        dead_letters=None
        if letters.value is None
        else [
            models.Letter(entry_id=letter.entry_id, reason=letter.reason[:_SHOWN_REASON], is_event=letter.is_event)
            for letter in letters.value
        ],
        queues=None
        if measured.queues.value is None
        else {name: models.Waiting.model_validate(state) for name, state in measured.queues.value.items()},
        stream=models.Stream.model_validate(stream) if stream else None,
        behind=_behind(measured),
        dependencies=None
        if measured.dependencies.value is None
        else {name: "ok" if up else "failed" for name, up in measured.dependencies.value.items()},
        away=[
            name
            for name, answer in {
                "ledger": measured.ledger,
                "queues": measured.queues,
                "stream": measured.stream,
                "policies": measured.overdue,
            }.items()
            if answer.value is None
        ],
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
    """The newest chunks of each hypertable, and where their rows are."""
    found = await services.chunk_map.all()
    if found.value is None:
        raise TransientError("the ledger does not tell the chunks", code="database")
    return charts.Hypertables(hypertables=[charts.hypertable(one) for one in found.value])


def _file(name: str, known_tag: str | None) -> Response:
    found = page_files.answer(name, known_tag)
    if found is None:
        raise HTTPException(404)
    return found


def _numbers(ledger: LedgerState) -> models.Numbers:
    jobs: Counter[str] = Counter()
    for count in ledger.jobs:
        jobs[count.status] += count.jobs
    return models.Numbers(
        jobs=dict(jobs),
        archived=models.Sums.model_validate(_total(ledger.outcomes, Outcome.ARCHIVED)),
        removed=models.Sums.model_validate(_total(ledger.outcomes, Outcome.REMOVED)),
        restored=models.Sums.model_validate(_total(ledger.outcomes, Outcome.RESTORED)),
        failures=_total(ledger.outcomes, Outcome.FAILED).jobs,
        findings=sum(found.findings for found in ledger.findings),
        paused=ledger.paused,
    )


def _total(outcomes: tuple[OutcomeTotals, ...], wanted: Outcome) -> Totals:
    return sum((outcome.totals for outcome in outcomes if outcome.outcome is wanted), Totals())


def _behind(measured: Measurements) -> list[models.Behind] | None:
    if measured.overdue.value is None:
        return None
    return [
        models.Behind(
            hypertable=hypertable,
            chunk=overdue.chunk,
            days=overdue.seconds / _SECONDS_A_DAY if overdue.seconds != float("inf") else None,
        )
        for hypertable, overdue in measured.overdue.value.items()
        if overdue
    ]
