"""Who asked for which change, and what came of the request."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any
from uuid import UUID

from archival_core.errors import TransientError
from archival_core.ledger.asking.audit import Audit
from archival_core.model.asking.audit_entry import AuditEntry

_LOG = logging.getLogger(__name__)


class AuditTrail:
    """Each change that people ask for, recorded before it is done."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def begin(self, who: str, action: str, asked: dict[str, Any]) -> int:
        """Record what is asked for. Raises as the ledger does; a change that cannot be recorded is not made."""
        return await self._audit.begin(who, action, asked)

    async def end(self, entry: int, outcome: str, job_ids: Collection[UUID] = ()) -> None:
        """Record what came of the request, and the jobs that it made or changed.

        An outcome that cannot be recorded stays open, and goes to the log.
        """
        try:
            await self._audit.end(entry, outcome, job_ids)
        except TransientError as error:
            _LOG.warning("the outcome %s of audit entry %d is not recorded: %s", outcome, entry, error)

    async def page(self, before: int | None, limit: int, text: str | None = None) -> list[AuditEntry]:
        """The newest entries, those before the entry `before`."""
        return await self._audit.page(before, limit, text)
