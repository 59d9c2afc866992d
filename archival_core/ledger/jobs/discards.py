"""The ledger's part in dead letters: jobs that are tried again, and what was given up, kept as it was."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from archival_core.clients.postgres.prose import Prose
from archival_core.clients.redis.messaging import DeadLetter
from archival_core.errors import TransientError
from archival_core.ledger.jobs.job_life import read_job
from archival_core.ledger.pool import LedgerPool
from archival_core.model.jobs.job import Job


class Discards:
    """Table `archival.discarded`, and the retry of ended jobs."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def keep_all(self, letters: Sequence[DeadLetter], reason: str, discarded_by: str) -> None:
        """Record what is about to be removed; once for each entry. Of a large entry the beginning and the size are kept."""
        await self._pool.all(
            "keep_discarded",
            entry_ids=[letter.entry_id for letter in letters],
            fields=[Jsonb(_fields(letter)) for letter in letters],
            reason=Prose(reason),
            discarded_by=Prose(discarded_by),
        )

    async def count(self) -> int:
        """Entries that were given up, ever."""
        row = await self._pool.one("count_discarded")
        return int(row["entries"]) if row else 0

    async def retry(self, job_id: UUID) -> Job | None:
        """Queue a failed or cancelled job again; `None` if it is in another state or its chunk has a live job."""
        try:
            row = await self._pool.one("retry_job", job_id=job_id)
        except TransientError as error:
            if isinstance(error.__cause__, UniqueViolation):  # a live job came in between
                return None
            raise
        return read_job(row) if row else None


def _fields(letter: DeadLetter) -> dict[str, Prose]:
    fields = {_text(name): Prose(_text(value)) for name, value in letter.fields.items()}
    if not letter.is_whole:
        fields["dead.bytes"] = Prose(letter.size)
    return {**fields, "dead.reason": Prose(_text(letter.reason))}


def _text(value: bytes | str) -> str:
    """Text that JSON in PostgreSQL can hold."""
    text = value if isinstance(value, str) else value.decode(errors="backslashreplace")
    return text.replace("\0", "\\x00")
