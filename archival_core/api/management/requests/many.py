"""What requests about many jobs or dead letters share: how they are limited, and how they are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool, StrictInt, StringConstraints, model_validator

from archival_core.api.management.requests.fields import Body, Moment
from archival_core.model.jobs.bulk import BulkReport

#: So many jobs or dead letters are named in one request, at most.
MOST_NAMED = 500
#: The example of a request that only counts.
COUNT = {"summary": "how many there are, by code; nothing is done", "value": {"all": True, "dry_run": True}}

ErrorCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,99}$")]
ErrorCodes = Annotated[
    list[ErrorCode],
    Field(min_length=1, max_length=50, description="whose error has one of these codes", examples=[["database"]]),
]


class Many(Body):
    """One call does a part of everything that is meant; `next` of the call's answer is the `cursor` of the next call."""

    error_code: ErrorCodes | None = None
    everything: StrictBool = Field(default=False, alias="all", description="everything, instead of a filter")
    dry_run: StrictBool = Field(default=False, description="say how many are meant, and do nothing")
    limit: StrictInt = Field(default=500, ge=1, le=1000, description="how many one call does, at most")
    cursor: str | None = Field(default=None, max_length=1000, description="`next` of the call before, with the same filter")

    @model_validator(mode="after")
    def _check(self) -> Self:
        fields = set(type(self).model_fields) - _NO_FILTER
        others = sorted(name for name in fields if getattr(self, name) not in (None, False))
        if not others and not self.everything:
            raise ValueError("say what is meant: give a filter, or all: true for everything")
        if others and self.everything:
            raise ValueError(f"all means everything: leave {', '.join(_ALIASES.get(name, name) for name in others)} out")
        return self


#: `status` chooses among what an action can be done to, which alone is no filter.
_NO_FILTER = frozenset({"everything", "dry_run", "limit", "cursor", "reason", "status"})
_ALIASES = {"since": "from", "until": "to", "is_open": "open"}

Since = Annotated[Moment | None, Field(alias="from")]
Until = Annotated[Moment | None, Field(alias="to")]


class ManyView(BaseModel):
    """What one call did. With a `next`, there is more to do, and the same call with that `cursor` goes on."""

    done: int = Field(examples=[500])
    passed: dict[str, int] = Field(
        description="met and left as they are, by the code that says why", examples=[{"chunk-has-a-live-job": 3}]
    )
    left: int | None = Field(description="meant and not looked at yet; null if there are too many to count", examples=[2500])
    left_by_code: dict[str, int] = Field(
        description="the same by the code of their error, of jobs and of every dry run", examples=[{"database": 2500}]
    )
    next: str | None = Field(description="the cursor of the next call; null at the end, and of a dry run")
    #: of jobs: those that the call did, for the audit alone
    job_ids: tuple[UUID, ...] = Field(default=(), exclude=True)

    def about_jobs(self) -> tuple[UUID, ...]:
        """The jobs that the call did."""
        return self.job_ids


def many_view[P](report: BulkReport[P], cursor_of: Callable[[P], str]) -> ManyView:
    """As JSON; `cursor_of` writes the cursor of a place."""
    return ManyView(
        done=report.done,
        passed=_some(report.passed),
        left=report.left,
        left_by_code=_some(report.left_by_code),
        next=None if report.next is None else cursor_of(report.next),
        job_ids=report.job_ids,
    )


def _some(counts: Mapping[str, int]) -> dict[str, int]:
    return {code: count for code, count in counts.items() if count}
