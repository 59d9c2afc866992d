"""`/policies`: from which age on the chunks of a hypertable are archived, and removed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi import Body as BodyParameter
from pydantic import BaseModel, Field, StrictBool

from archival_core.api import problems
from archival_core.api.management.fields import ANY, WITH_BODY, Body, Limit, TableName
from archival_core.api.services import Current
from archival_core.errors import PermanentError
from archival_core.model.chunk import Relation
from archival_core.model.policy import Policy

router = APIRouter(tags=["policies"])

Age = Annotated[
    timedelta,
    Field(description="ISO 8601, `P90D`: the age of the end of a chunk's range", json_schema_extra={"format": "duration"}),
]
# a name may hold a slash; one with a line break has no address
Hypertable = Annotated[TableName, Path(examples=["public.conditions"])]
_ADDRESS = "/policies/{hypertable:path}"

_SET = {
    "both": {
        "summary": "into the lake after 90 days, out of the database after 120",
        "value": {"archive_after": "P90D", "remove_after": "P120D"},
    },
    "keep": {"summary": "into the lake after 90 days, and kept", "value": {"archive_after": "P90D"}},
}
_PREVIEW = {"preview": {"summary": "90 days", "value": {"hypertable": "public.conditions", "archive_after": "P90D"}}}


class PolicySet(Body):
    """What the policy is from now on."""

    archive_after: Age
    remove_after: Age | None = Field(default=None, description="ISO 8601; null never removes")
    enabled: StrictBool = True


class PreviewAsked(Body):
    """A policy that need not be set."""

    hypertable: TableName
    archive_after: Age
    limit: Limit = 100


class PolicyView(BaseModel):
    """A policy."""

    hypertable: str = Field(examples=["public.conditions"])
    archive_after: timedelta = Field(examples=["P90D"])
    remove_after: timedelta | None = Field(examples=["P120D"])
    enabled: bool
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


class PreviewView(BaseModel):
    """The first chunks that are due and have no job, the oldest first."""

    chunks: list[DueChunkView]


@router.get("/policies", responses=problems.documented(*ANY))
async def list_policies(services: Current) -> PoliciesView:
    """Every policy."""
    return PoliciesView(policies=[_view(policy) for policy in await services.policies.all()])


@router.post("/policies/preview", responses=problems.documented(404, 409, *WITH_BODY))
async def preview_policy(
    asked: Annotated[PreviewAsked, BodyParameter(openapi_examples=_PREVIEW)],
    services: Current,
) -> PreviewView:
    """What a policy would have archived now; nothing is recorded."""
    due = await services.policies.preview(Relation.parse(asked.hypertable), asked.archive_after, asked.limit)
    return PreviewView(
        chunks=[
            DueChunkView(
                chunk=str(found.chunk.relation),
                range_start=found.chunk.range.start,
                range_end=found.chunk.range.end,
                bytes=found.bytes,
            )
            for found in due
        ]
    )


@router.get(_ADDRESS, responses=problems.documented(404, *ANY))
async def get_policy(services: Current, hypertable: Hypertable) -> PolicyView:
    """The policy of a hypertable."""
    for policy in await services.policies.all():
        if str(policy.hypertable) == hypertable:
            return _view(policy)
    raise PermanentError(f"{hypertable} has no policy", code="unknown-policy")


@router.put(_ADDRESS, responses=problems.documented(404, 409, *WITH_BODY))
async def set_policy(
    services: Current,
    hypertable: Hypertable,
    asked: Annotated[PolicySet, BodyParameter(openapi_examples=_SET)],
) -> PolicyView:
    """Set the policy of a hypertable, in place of the one that it may have."""
    policy = Policy(Relation.parse(hypertable), asked.archive_after, asked.remove_after, asked.enabled)
    await services.policies.set(policy)
    return _view(policy)


@router.delete(_ADDRESS, status_code=204, responses=problems.documented(404, *ANY))
async def delete_policy(services: Current, hypertable: Hypertable) -> None:
    """Forget the policy of a hypertable; jobs that it has made go on."""
    await services.policies.delete(Relation.parse(hypertable))


def _view(policy: Policy) -> PolicyView:
    return PolicyView(
        hypertable=str(policy.hypertable),
        archive_after=policy.archive_after,
        remove_after=policy.remove_after,
        enabled=policy.enabled,
        problem=policy.problem,
    )
