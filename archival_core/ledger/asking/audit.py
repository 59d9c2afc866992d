"""The ledger's part in the audit: who asked for what, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from archival_core.clients.postgres.prose import Prose
from archival_core.ledger.pool import LedgerPool
from archival_core.model.asking.audit_entry import AuditEntry


class Audit:
    """Table `archival.audit`."""

    def __init__(self, pool: LedgerPool) -> None:
        self._pool = pool

    async def begin(self, who: str, action: str, asked: dict[str, Any]) -> int:
        """Record what is asked for, before it is done."""
        row = await self._pool.one("note_audit", who=Prose(who), action=action, asked=Jsonb(asked))
        assert row is not None, "an insert has a row"
        return int(row["entry"])

    async def end(self, entry: int, outcome: str, job_ids: Collection[UUID]) -> None:
        """What came of it, and the jobs that it made or changed."""
        await self._pool.one("end_audit", entry=entry, outcome=outcome, job_ids=list(job_ids) or None)

    async def page(self, before: int | None, limit: int, text: str | None = None) -> list[AuditEntry]:
        """The newest entries, those before the entry `before`; with a `text`, those that have it in who, what or why."""
        rows = await self._pool.all("audit_page", before=2**62 if before is None else before, text=text, limit=limit)
        return [AuditEntry(**row) for row in rows]
