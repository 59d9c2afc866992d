"""`POST /dead-letters/replay` and `/dead-letters/discard`: many dead letters at a time, by a filter."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Body as BodyParameter
from pydantic import Field, StringConstraints

from archival_core.api import problems
from archival_core.api.management.requests import cursor
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import WITH_BODY, Caller, Text
from archival_core.api.management.requests.many import COUNT, MOST_NAMED, Many, ManyView, Since, Until, many_view
from archival_core.api.services import Current
from archival_core.model.jobs.bulk import BulkLettersCursor, EntryId, LetterFilter, LetterKind

router = APIRouter(tags=["events"], route_class=Audited)

_REPLAY = {
    "code": {"summary": "what was delivered too often while something was away", "value": {"error_code": ["over-delivered"]}},
    "count": COUNT,
    "next": {"summary": "the next call of the same", "value": {"all": True, "cursor": "WyJibDEiXQ"}},
}
_DISCARD = {
    "messages": {
        "summary": "queue messages that name no job",
        "value": {"kind": "message", "reason": "of a ledger that is no more"},
    },
    "text": {
        "summary": "events whose reason says something",
        "value": {"text": "public.old_table", "reason": "the table was dropped last year"},
    },
}


class LettersMeant(Many):
    """Which dead letters."""

    entry_ids: list[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}-[0-9]{1,19}$", max_length=60)]] | None = Field(
        default=None, min_length=1, max_length=MOST_NAMED, examples=[["1700000000000-0"]]
    )
    text: Text | None = Field(default=None, description="a part of the reason, in any case")
    kind: LetterKind | None = Field(
        default=None, description="`message`: of a queue, which names no job; it can only be discarded"
    )
    since: Since = Field(default=None, description="buried at or after")
    until: Until = Field(default=None, description="buried before")

    def meant(self) -> LetterFilter:
        """For the flow."""
        return LetterFilter(
            frozenset(self.error_code or ()),
            self.text,
            self.kind,
            self.since,
            self.until,
            frozenset(map(EntryId.parse, self.entry_ids or ())),
        )

    def place(self) -> BulkLettersCursor | None:
        """Where to go on; raises `PermanentError` (`invalid-cursor`)."""
        return cursor.read_letters_place(self.cursor) if self.cursor is not None else None


class DiscardAsked(LettersMeant):
    """Which dead letters are given up, and why; the ledger keeps it."""

    reason: Text


@router.post("/dead-letters/replay", responses=problems.documented(*WITH_BODY))
async def replay_dead_letters(
    services: Current, asked: Annotated[LettersMeant, BodyParameter(openapi_examples=_REPLAY)]
) -> ManyView:
    """Put many events back into the event stream as they came; they may be buried again. A call that was cut off is made again
    without harm: what was replayed is no dead letter any more."""
    if asked.dry_run:
        return many_view(await services.bulk_letters.preview(asked.meant()), cursor.of_letters_place)
    return many_view(await services.bulk_letters.replay(asked.meant(), asked.place(), asked.limit), cursor.of_letters_place)


@router.post("/dead-letters/discard", responses=problems.documented(*WITH_BODY))
async def discard_dead_letters(
    services: Current, caller: Caller, asked: Annotated[DiscardAsked, BodyParameter(openapi_examples=_DISCARD)]
) -> ManyView:
    """Give many entries up: the ledger keeps what they were, who gave them up, and why."""
    if asked.dry_run:
        return many_view(await services.bulk_letters.preview(asked.meant()), cursor.of_letters_place)
    return many_view(
        await services.bulk_letters.discard(asked.meant(), asked.place(), asked.limit, asked.reason, caller),
        cursor.of_letters_place,
    )
