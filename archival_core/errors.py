"""Errors that say what happens next.

A `TransientError` goes back to the queue and is tried again, a few times; a `PostponedError` is one that the work is not to
blame for, and does not count; a `PermanentError` ends the job, because trying again cannot help until somebody changes
something. Anything else is a defect and treated as transient, so that nothing is lost by it.
"""


class ArchivalError(Exception):
    """Base of all expected errors.

    `code` is a stable kebab-case word that programs may test (`unknown-chunk`); the message is for people and never holds a
    secret.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class TransientError(ArchivalError):
    """It may work later: a server that is away, a lock that is held, a lease that another worker has."""


class PostponedError(TransientError):
    """Nothing is wrong with the work: the work waits, and comes again however often.

    Others hold a lock that the work needs, say, or all connections are in use.
    """


class AwayError(PostponedError):
    """A dependency is away, or refuses everybody: unreachable, full, read-only, throttled, a credential that is not taken.

    `dependency` is `source`, `ledger`, `lake`, `queue` or `redis`.
    """

    def __init__(self, message: str, *, code: str, dependency: str) -> None:
        super().__init__(message, code=code)
        self.dependency = dependency


class LostConnectionError(AwayError):
    """A connection broke in the middle of work. An outage does that, and so does work that brings its server down."""


class GaveWayError(PostponedError):
    """Somebody else has, or waits for, a lock of the table, and goes first; the work goes on later, however often that is."""

    def __init__(self, message: str, *, code: str = "gave-way") -> None:
        super().__init__(message, code=code)


class PermanentError(ArchivalError):
    """It will not work until something changes: a wrong name, an unsupported type, a conflict in the lake."""


class SettingsError(PermanentError):
    """A setting is missing or wrong; the message names it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="wrong-setting")


class InvalidEventError(PermanentError):
    """An event that cannot be understood; it goes to the dead stream with this message as its reason."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="invalid-event")


class LostLeaseError(TransientError):
    """Another worker owns the job now; this one must stop and may not write any more."""

    def __init__(self, job_id: object, attempt: int) -> None:
        super().__init__(
            f"attempt {attempt} of job {job_id} has lost its lease: a later attempt owns the job",
            code="lost-lease",
        )


class LostClaimError(TransientError):
    """Another instance has the part now, or the job has another worker; whatever was written of the part does not count."""

    def __init__(self, job_id: object, number: int) -> None:
        super().__init__(f"part {number} of job {job_id} is read by somebody else now, or not at all", code="lost-claim")
