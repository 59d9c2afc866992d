"""`/policies`: from which age on the chunks of a hypertable are archived, and removed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Self

from fastapi import APIRouter, Path, Response
from fastapi import Body as BodyParameter
from pydantic import BaseModel, Field, StrictBool, StrictInt, model_validator

from archival_core.api import problems
from archival_core.api.management.requests.audited import Audited
from archival_core.api.management.requests.fields import ANY, WITH_BODY, Age, Body, TableName
from archival_core.api.services import Current
from archival_core.model.asking.policy import DroppedByOthers, Policy
from archival_core.model.chunks.chunk import Relation
from archival_core.model.insight.next_step import Step

router = APIRouter(tags=["policies"], route_class=Audited)

# a name may hold a slash; one with a line break has no address
Hypertable = Annotated[TableName, Path(examples=["public.conditions"])]
_ADDRESS = "/policies/{hypertable:path}"
_OTHERS = (
    "archives whose chunk others drop: `keep` them as part of the table, or `forget` them; they can be restored either way"
)

_SET = {
    "both": {
        "summary": "into the lake after 90 days, out of the database after 120",
        "value": {"archive_after": "P90D", "remove_after": "P120D", "enabled": True, "dropped_by_others": "keep"},
    },
    "keep": {
        "summary": "into the lake after 90 days, and kept",
        "value": {"archive_after": "P90D", "remove_after": None, "enabled": True, "dropped_by_others": "keep"},
    },
}
_CHANGE = {
    "off": {"summary": "make no jobs any more, and keep the ages", "value": {"enabled": False}},
    "keep": {"summary": "remove nothing any more", "value": {"remove_after": None}},
}
_PREVIEW = {"preview": {"summary": "90 days", "value": {"hypertable": "public.conditions", "archive_after": "P90D"}}}


class PolicySet(Body):
    """What the policy is from now on: all of it, since this takes the place of what was set before."""

    archive_after: Age
    remove_after: Age | None = Field(description="ISO 8601; null never removes")
    enabled: StrictBool
    dropped_by_others: DroppedByOthers = Field(description=_OTHERS)


class PolicyChange(Body):
    """What is to be otherwise (RFC 7396); what is left out stays as it is."""

    # the defaults are never read: only what is given counts
    archive_after: Age = Field(default_factory=timedelta)
    remove_after: Age | None = Field(default=None, description="ISO 8601; null never removes")
    enabled: StrictBool = Field(default_factory=bool)
    dropped_by_others: DroppedByOthers = Field(default_factory=lambda: "keep", description=_OTHERS)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say what is to change: archive_after, remove_after, enabled or dropped_by_others")
        return self


class PreviewAsked(Body):
    """A policy that need not be set."""

    hypertable: TableName
    archive_after: Age
    remove_after: Age | None = Field(default=None, description="ISO 8601; null never removes")
    limit: StrictInt = Field(default=100, ge=1, le=500, description="chunks, at most")


class PolicyView(BaseModel):
    """A policy."""

    hypertable: str = Field(examples=["public.conditions"])
    archive_after: timedelta = Field(examples=["P90D"])
    remove_after: timedelta | None = Field(examples=["P120D"])
    enabled: bool
    dropped_by_others: DroppedByOthers
    problem: str | None = Field(description="why it makes no jobs, as of its last run")


class PoliciesView(BaseModel):
    """Every policy, by its hypertable."""

    policies: list[PolicyView]


class DueChunkView(BaseModel):
    """A chunk that would be archived now."""

    chunk: str = Field(examples=["_timescaledb_internal._hyper_1_1_chunk"])
    range_start: str | None
    range_end: str | None
    bytes: int | None = Field(description="on disk, indexes included")


class MeantView(BaseModel):
    """Chunks that one step means."""

    chunks: int
    bytes: int = Field(description="in the database now, indexes included")


class AtOnceView(BaseModel):
    """Of the whole hypertable: what the policy would have done at once, whatever the first chunks are."""

    archive: MeantView
    remove: MeantView = Field(description="of chunks that are archived already and whose grace is over")


class PreviewView(BaseModel):
    """The first chunks that are due and have no job, the oldest first, and how many there are of them in all."""

    chunks: list[DueChunkView]
    at_once: AtOnceView


@router.get("/policies", responses=problems.documented(*ANY))
async def list_policies(services: Current) -> PoliciesView:
    """Every policy."""
    return PoliciesView(policies=[policy_view(policy) for policy in await services.policies.all()])


@router.post("/policies/preview", responses=problems.documented(404, 409, *WITH_BODY))
async def preview_policy(
    asked: Annotated[PreviewAsked, BodyParameter(openapi_examples=_PREVIEW)],
    services: Current,
) -> PreviewView:
    """What a policy would have archived now; nothing is recorded."""
    hypertable = Relation.parse(asked.hypertable)
    due = await services.policies.preview(hypertable, asked.archive_after, asked.limit)
    policy = Policy(hypertable, asked.archive_after, asked.remove_after)
    policy.check()
    meant = await services.chunks.meant_by(policy)
    return PreviewView(
        chunks=[
            DueChunkView(
                chunk=str(found.chunk.relation),
                range_start=found.chunk.range.start,
                range_end=found.chunk.range.end,
                bytes=found.bytes,
            )
            for found in due
        ],
        at_once=AtOnceView(
            archive=MeantView(chunks=meant[Step.ARCHIVE].chunks, bytes=meant[Step.ARCHIVE].bytes),
            remove=MeantView(chunks=meant[Step.REMOVE].chunks, bytes=meant[Step.REMOVE].bytes),
        ),
    )


@router.get(_ADDRESS, responses=problems.documented(404, *ANY))
async def get_policy(services: Current, hypertable: Hypertable) -> PolicyView:
    """The policy of a hypertable."""
    return policy_view(await services.policies.get(Relation.parse(hypertable)))


@router.put(
    _ADDRESS,
    responses={
        201: {"model": PolicyView, "description": "it had none before"},
        **problems.documented(404, 409, *WITH_BODY),
    },
)
async def set_policy(
    services: Current,
    hypertable: Hypertable,
    asked: Annotated[PolicySet, BodyParameter(openapi_examples=_SET)],
    response: Response,
) -> PolicyView:
    """Set the whole policy of a hypertable, in place of the one that it may have. `PATCH` changes a part of it."""
    policy = Policy(
        Relation.parse(hypertable),
        asked.archive_after,
        asked.remove_after,
        asked.enabled,
        dropped_by_others=asked.dropped_by_others,
    )
    response.status_code = 201 if await services.policies.set(policy) else 200
    return policy_view(policy)


@router.patch(_ADDRESS, responses=problems.documented(404, 409, *WITH_BODY))
async def change_policy(
    services: Current,
    hypertable: Hypertable,
    asked: Annotated[PolicyChange, BodyParameter(openapi_examples=_CHANGE)],
) -> PolicyView:
    """Change what is given of the policy of a hypertable, which has one. Nothing else of it changes."""
    given = {name: getattr(asked, name) for name in asked.model_fields_set}
    return policy_view(await services.policies.change(Relation.parse(hypertable), lambda policy: replace(policy, **given)))


@router.delete(_ADDRESS, status_code=204, responses=problems.documented(404, *ANY))
async def delete_policy(services: Current, hypertable: Hypertable) -> None:
    """Forget the policy of a hypertable; jobs that it has made go on."""
    await services.policies.delete(Relation.parse(hypertable))


def policy_view(policy: Policy) -> PolicyView:
    """As JSON."""
    return PolicyView(
        hypertable=str(policy.hypertable),
        archive_after=policy.archive_after,
        remove_after=policy.remove_after,
        enabled=policy.enabled,
        dropped_by_others=policy.dropped_by_others,
        problem=policy.problem,
    )
