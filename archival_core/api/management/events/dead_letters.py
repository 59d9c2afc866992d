"""`/dead-letters`: events that could not be used, and messages that name no job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi import Body as BodyParameter
from pydantic import BaseModel, Field

from archival_core.api import problems
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY, WITH_BODY, Body, Caller, Limit, Text
from archival_core.api.management.requests.many import ErrorCode
from archival_core.api.services import Current
from archival_core.flows.jobs.interventions.dead_letters import kind_of
from archival_core.model.jobs.bulk import LetterFilter, LetterKind, code_of

router = APIRouter(tags=["events"], route_class=Audited)

EntryId = Annotated[str, Path(max_length=60, examples=["1700000000000-0"])]
_DISCARD = {"reason": {"summary": "why it is given up", "value": {"reason": "the table was dropped last year"}}}


class Discard(Body):
    """Why it is given up; the ledger keeps it."""

    reason: Text


class DeadLetterView(BaseModel):
    """One entry of the dead stream."""

    entry_id: str = Field(examples=["1700000000000-0"])
    reason: str = Field(examples=["invalid-event: data.hypertable: Field required"])
    code: str = Field(description="of the error that `reason` begins with; may be empty", examples=["invalid-event"])
    kind: LetterKind = Field(description="`message`: of a queue, which names no job")
    replayable: bool = Field(description="an event is, unless it is too large; a message that names no job is not")
    bytes: int = Field(description="of everything that came", examples=[212])
    truncated: bool = Field(description="it is too large for an event, and `fields` has only its beginning")
    fields: dict[str, str] = Field(description="as it came; what is not UTF-8 is escaped")


class DeadLetterPage(BaseModel):
    """A page of dead letters, oldest first."""

    dead_letters: list[DeadLetterView]
    discarded: int = Field(description="entries that were given up, ever")
    next: str | None = Field(description="`after` of the next page; null at the end")


@router.get("/dead-letters", responses=problems.documented(404, *ANY))
async def list_dead_letters(
    services: Current,
    after: Annotated[str, Query(max_length=60, description="`next` of the page before", examples=["1700000000000-0"])] = "",
    limit: Limit = 50,
    error_code: Annotated[
        list[ErrorCode] | None, Query(max_length=50, description="any of these", examples=[["over-delivered"]])
    ] = None,
    text: Annotated[Text | None, Query(description="a part of the reason, in any case")] = None,
    kind: Annotated[LetterKind | None, Query()] = None,
) -> DeadLetterPage:
    """Dead letters, oldest first.

    A page ends after about 1 MiB, and goes on at `next`; with a filter it may be empty before the end.
    """
    letters, following = await services.dead_letters.page(limit, after, LetterFilter(frozenset(error_code or ()), text, kind))
    return DeadLetterPage(
        dead_letters=[
            DeadLetterView(
                entry_id=letter.entry_id,
                reason=letter.reason,
                code=code_of(letter.reason),
                kind=kind_of(letter),
                replayable=letter.is_replayable,
                bytes=letter.size,
                truncated=not letter.is_whole,
                fields={_text(name): _text(value) for name, value in letter.fields.items()},
            )
            for letter in letters
        ],
        discarded=await services.dead_letters.discarded(),
        next=following,
    )


@router.post("/dead-letters/{entry_id}/replay", status_code=204, responses=problems.documented(404, 409, *ANY))
async def replay_dead_letter(services: Current, entry_id: EntryId) -> None:
    """Put an event back into the event stream as it came; it may be buried again."""
    await services.dead_letters.replay(entry_id)


@router.post("/dead-letters/{entry_id}/discard", status_code=204, responses=problems.documented(404, *WITH_BODY))
async def discard_dead_letter(
    services: Current,
    caller: Caller,
    entry_id: EntryId,
    asked: Annotated[Discard, BodyParameter(openapi_examples=_DISCARD)],
) -> None:
    """Give an entry up: the ledger keeps what it was, who gave it up, and why."""
    await services.dead_letters.discard(entry_id, asked.reason, caller)


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
