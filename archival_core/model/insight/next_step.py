"""What happens next to a chunk, when, and why not sooner: a pure decision over facts that the catalog and the ledger tell.

The decision follows what the flows do: `PolicyJobs` asks for archives, `removal_candidates` says which chunks go. Whoever
changes one of them changes this one, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.moment import moment
from archival_core.model.insight.chunk_state import ChunkPlace, ChunkState
from archival_core.model.jobs.job import Status

_HOUR: Final = timedelta(hours=1)
#: The code of a removal that waits for chunks of the same range.
_BESIDE: Final = "sibling-not-archived"
#: So many siblings are named with what becomes of them.
_NAMED: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Step(StrEnum):
    """What happens next."""

    ARCHIVE = "archive"
    REMOVE = "remove"
    RESTORE = "restore"
    #: nothing, until somebody asks or changes something
    NOTHING = "nothing"


class Because(StrEnum):
    """Why that, and why not sooner."""

    NO_POLICY = "no-policy"
    POLICY_OFF = "policy-off"
    POLICY_PROBLEM = "policy-problem"
    #: the chunk's range has no end in the calendar, so it never becomes old
    NO_END = "no-end"
    NOT_DUE = "not-due"
    PAUSED = "paused"
    DUE = "due"
    QUEUED = "queued"
    #: queued, after something that is not the job's fault
    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    DISMISSED = "dismissed"
    CANCELLED = "cancelled"
    RESTORED = "restored"
    KEPT_BY_REQUEST = "kept-by-request"
    KEPT_BY_POLICY = "kept-by-policy"
    KEPT_BY_DEFAULT = "kept-by-default"
    GRACE = "grace"
    SIBLINGS = "siblings"
    REFUSED = "refused"
    REMOVED = "removed"
    RESTORING = "restoring"


@dataclass(frozen=True, slots=True)
class Rules:
    """What is true of every chunk of a hypertable at one moment."""

    #: by the ledger's clock
    now: datetime
    #: the least time between archive and removal
    grace: timedelta
    #: whether archived chunks go where neither a request nor a policy says so
    drop_by_default: bool
    policy: Policy | None = None
    #: why the intake is paused, empty without a reason; `None` while it is not
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class NextStep:
    """What happens next to one chunk."""

    step: Step
    because: Because
    #: one sentence, for people
    text: str
    #: the earliest moment; `None` for at once, never, or when something else has happened
    at: datetime | None = None
    #: of the error that holds it up, as in the catalogue of errors
    code: str | None = None
    #: the chunks that it waits for
    siblings: tuple[str, ...] = ()


#: What becomes of a sibling without an archive, after "which".
_OF_SIBLINGS: Final = {
    Because.QUEUED: "is queued",
    Because.WAITING: "is queued again after a failure",
    Because.RUNNING: "is being archived now",
    Because.DUE: "is due and not archived yet",
    Because.PAUSED: "is due, while the intake is paused",
    Because.DISMISSED: "failed, and the failure was dismissed",
    Because.CANCELLED: "was cancelled, and waits for a retry",
    Because.RESTORED: "was restored, and stays",
}


def next_step(chunk: ChunkState, rules: Rules, siblings: Sequence[ChunkState] = ()) -> NextStep:
    """Of a chunk of the database, or of an archive whose chunk is gone.

    `siblings` are chunks of the same range that have no archive on whose grounds they could go.
    """
    match chunk.state:
        case ChunkPlace.REMOVED:
            return _nothing(Because.REMOVED, "its rows are in the lake alone, and stay there until somebody restores them")
        case ChunkPlace.RESTORING:
            return NextStep(Step.RESTORE, Because.RESTORING, "its rows are on their way back into the database")
        case ChunkPlace.QUEUED:
            return _queued(chunk)
        case ChunkPlace.RUNNING:
            return NextStep(Step.ARCHIVE, Because.RUNNING, "a worker archives it now")
        case ChunkPlace.ARCHIVED:
            return _removal(chunk, rules, siblings)
        case ChunkPlace.FAILED:
            return _failed(chunk)
        case ChunkPlace.IN_DATABASE:
            return _archive(chunk, rules)


def tried_again_after(error: dict[str, Any]) -> timedelta:
    """How long a refused removal waits, as `removal_candidates` has it: every try reads what it compares."""
    if error.get("code") == "archive-damaged":
        return _HOUR
    return timedelta(minutes=1) if error.get("transient") else timedelta(minutes=5)


def _queued(chunk: ChunkState) -> NextStep:
    if chunk.error:
        return NextStep(
            Step.ARCHIVE, Because.WAITING, f"it waits for its turn again: {_said(chunk.error)}", code=_code(chunk.error)
        )
    return NextStep(Step.ARCHIVE, Because.QUEUED, "it is queued, and archived when its turn comes")


def _failed(chunk: ChunkState) -> NextStep:
    if chunk.dismissed is not None:
        return _nothing(Because.DISMISSED, f"its archive failed, and the failure was dismissed: {chunk.dismissed}", chunk.error)
    return _nothing(Because.FAILED, f"its archive failed and is not tried again by itself: {_said(chunk.error)}", chunk.error)


def _archive(chunk: ChunkState, rules: Rules) -> NextStep:
    if chunk.job_status is Status.CANCELLED:
        return _nothing(Because.CANCELLED, f"its archive was cancelled ({_said(chunk.error)}); somebody has to retry it")
    policy = rules.policy
    if policy is None:
        return _nothing(
            Because.NO_POLICY, "its hypertable has no policy, so nothing happens until somebody asks for an archive"
        )
    if not policy.enabled:
        return _nothing(Because.POLICY_OFF, "the policy of its hypertable is off")
    if policy.problem is not None:
        return _nothing(Because.POLICY_PROBLEM, f"the policy of its hypertable cannot be followed: {policy.problem}")
    end = _end(chunk.range_end)
    if end is None:
        return _nothing(Because.NO_END, "its range has no end in the calendar, so no policy ever finds it old enough")
    due = _later(end, policy.archive_after)
    if due > rules.now:
        text = f"is archived {_when(due)}, when it is {_age(policy.archive_after)} old"
        return NextStep(Step.ARCHIVE, Because.NOT_DUE, text, due)
    if rules.paused is not None:
        why = f" ({rules.paused})" if rules.paused else ""
        return NextStep(Step.ARCHIVE, Because.PAUSED, f"is due since {_time(due)}, and the intake is paused{why}")
    return NextStep(Step.ARCHIVE, Because.DUE, f"is due since {_time(due)}: the policy asks when there is room among its jobs")


def _removal(chunk: ChunkState, rules: Rules, siblings: Sequence[ChunkState]) -> NextStep:
    if chunk.restored_at is not None:
        return _nothing(
            Because.RESTORED,
            f"was restored {_when(chunk.restored_at)}, and stays: what people bring back is not removed by itself",
        )
    policy = rules.policy
    if chunk.remove is False:
        return _nothing(Because.KEPT_BY_REQUEST, "stays in the database: its request said so")
    if chunk.remove is None:
        if policy is None and not rules.drop_by_default:
            return _nothing(Because.KEPT_BY_DEFAULT, "stays in the database: there is no policy, and REMOVAL_POLICY is keep")
        if policy is not None and not policy.enabled:
            return _nothing(Because.POLICY_OFF, "stays in the database: the policy of its hypertable is off")
        if policy is not None and policy.remove_after is None:
            return _nothing(Because.KEPT_BY_POLICY, "stays in the database: the policy of its hypertable removes nothing")
    return _leaves(chunk, rules, siblings)


def _leaves(chunk: ChunkState, rules: Rules, siblings: Sequence[ChunkState]) -> NextStep:
    """Of a chunk that is to go: when, or what holds it up."""
    grace = (chunk.finished_at or rules.now) + rules.grace
    goes, because, why = grace, Because.GRACE, "when the grace is over"
    if chunk.remove is None and rules.policy is not None and rules.policy.remove_after is not None:
        end = _end(chunk.range_end)
        if end is None:
            return _nothing(
                Because.NO_END, "stays: its range has no end in the calendar, so no policy ever finds it old enough"
            )
        if (old := _later(end, rules.policy.remove_after)) > grace:
            goes, because, why = old, Because.NOT_DUE, f"when it is {_age(rules.policy.remove_after)} old"
    if goes > rules.now:
        return NextStep(Step.REMOVE, because, f"leaves the database {_when(goes)}, {why}", goes)
    refused = chunk.removal_error
    again = (chunk.removal_tried_at or rules.now) + tried_again_after(refused) if refused is not None else rules.now
    if siblings and (refused is None or refused.get("code") == _BESIDE):
        return _waits(siblings, rules, max(again, rules.now))
    if refused is not None:
        return NextStep(
            Step.REMOVE,
            Because.SIBLINGS if refused.get("code") == _BESIDE else Because.REFUSED,
            f"is to leave, and is refused: {_said(refused)}; it is tried again {_when(again)}",
            again if again > rules.now else None,
            _code(refused),
        )
    return NextStep(Step.REMOVE, Because.DUE, "leaves the database in the next minutes")


def _waits(siblings: Sequence[ChunkState], rules: Rules, again: datetime) -> NextStep:
    """Of a chunk whose siblings have to be archived first: what becomes of each, and when the last of them goes on."""
    steps = [next_step(sibling, rules) for sibling in siblings]
    told = [f"{sibling.chunk}, which {_sibling(sibling, step)}" for sibling, step in zip(siblings, steps, strict=True)]
    others = [f"{len(told) - _NAMED} more"] if len(told) > _NAMED else []
    which = "its sibling" if len(told) == 1 else f"its {len(told)} siblings"
    # a sibling that nobody archives holds the chunk up until somebody does
    held = any(step.step is Step.NOTHING for step in steps)
    after = "" if held else "; leaves the database in the minutes after that"
    dates = [step.at for step in steps if step.at is not None]
    return NextStep(
        Step.REMOVE,
        Because.SIBLINGS,
        f"waits for {which} of the same range: {'; '.join(told[:_NAMED] + others)}{after}",
        max(*dates, again) if len(dates) == len(steps) else None,
        _BESIDE,
        tuple(sibling.chunk for sibling in siblings),
    )


def _sibling(sibling: ChunkState, step: NextStep) -> str:
    """What follows "which" in a sentence about a chunk that has no archive."""
    if step.because is Because.NOT_DUE and step.at is not None:
        return f"is archived {_when(step.at)}"
    if step.because is Because.FAILED:
        return f"failed ({_code(sibling.error) or 'no code'}) and is not tried again by itself"
    return _OF_SIBLINGS.get(step.because, f"nobody archives by itself ({step.because})")


def _nothing(because: Because, text: str, error: dict[str, Any] | None = None) -> NextStep:
    return NextStep(Step.NOTHING, because, text, code=_code(error))


def _said(error: dict[str, Any] | None) -> str:
    return str((error or {}).get("message") or _code(error) or "no reason is noted")


def _code(error: dict[str, Any] | None) -> str | None:
    return str(error["code"]) if error and error.get("code") else None


def _end(bound: str | None) -> datetime | None:
    """The end of a range as a time; `None` where it is open, infinite, an integer or beyond Python's years."""
    found = moment(bound)
    if not isinstance(found, int) or bound is None or "T" not in bound:
        return None
    try:
        return _EPOCH + timedelta(microseconds=found)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if found < 0 else None


def _later(end: datetime, age: timedelta) -> datetime:
    try:
        return end + age
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _when(at: datetime) -> str:
    return f"on {_time(at)}"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _age(age: timedelta) -> str:
    if age >= timedelta(days=1) and not age % timedelta(days=1):
        return f"{age.days} day{'' if age.days == 1 else 's'}"
    hours = age / timedelta(hours=1)
    return f"{hours:g} h" if hours >= 1 else f"{age / timedelta(minutes=1):g} min"
