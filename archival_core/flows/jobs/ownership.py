"""Each lake has one owner, and whoever works with archives asks here first.

A copy of the source may be a server recovered beside the original, a promoted replica, or a staging server made from a
backup. The copy has the identifier and the marks of the original and, if the ledger is inside, the ledger too. Two services
on one lake would supersede and adopt each other's archives. The host name by which the service reaches the source tells a
copy from the original. After a failover the host name is the same.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Final

from pydantic import ValidationError

from archival_core.clients.postgres.database import Database
from archival_core.errors import PermanentError
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.lake.errors import DestinationExistsError, FilesystemMissingError
from archival_core.ledger.owner import LedgerOwner
from archival_core.model.lake.owner import Owner

_LOG = logging.getLogger(__name__)

#: in seconds: a service that has lost the lake to another one notices by then
_BELIEVED_SECONDS: Final = 5.0


class Ownership:
    """Compares what lake and ledger say of their owner with the source that this service is connected to."""

    def __init__(self, source: Database, lake: LakehouseClient, ledger: LedgerOwner) -> None:
        self._source, self._lake, self._ledger = source, lake, ledger
        #: Kept from the first look on. A takeover by another service shows in the lake.
        self._own: Owner | None = None
        #: by the clock of `time.monotonic`
        self._believed_until = -math.inf

    async def check_lately(self) -> None:
        """As `check`, unless a check has passed within the last seconds, which is as long as small work takes after one."""
        if time.monotonic() > self._believed_until:
            await self.check()

    async def check(self) -> None:
        """Raise `PermanentError` (`other-owner`) unless lake and ledger belong to this source.

        Guard OWNER: nothing is archived, removed or restored without this check. A lake and a ledger that belong to nobody
        yet become this source's.
        """
        self._believed_until = -math.inf
        own = self._own = self._own or await self._owner_of_ledger()
        owner = await self._owner_of_lake()
        if owner is None:
            await self._lake.ensure_filesystem()
            try:
                await self._lake.write_once(paths.OWNER, own.to_json())
            except DestinationExistsError:
                owner = await self._owner_of_lake()
        if owner is not None and owner != own:
            raise _refusal("the lake", owner, own)
        self._believed_until = time.monotonic() + _BELIEVED_SECONDS

    async def take_over(self) -> Owner:
        """Make this source and ledger the owner of the lake. The service of the former owner stops."""
        own = self._own = await self._ledger.take(*self._source.address)
        await self._lake.ensure_filesystem()
        await self._lake.write_into(paths.OWNER, own.to_json())
        _LOG.warning("the lake belongs to %s from now on", own)
        return own

    async def _owner_of_ledger(self) -> Owner:
        recorded, own = await self._ledger.claim(*self._source.address)
        if recorded != own:
            raise _refusal("the ledger", recorded, own)
        return own

    async def _owner_of_lake(self) -> Owner | None:
        try:
            content = await self._lake.read_if_there(paths.OWNER)
        except FilesystemMissingError:
            return None
        if content is None:
            return None
        try:
            return Owner.model_validate_json(content)
        except ValidationError:
            raise PermanentError(
                f"{paths.OWNER} in the lake was written by somebody else; after a look at who writes to the lake,"
                " `archival source takeover` writes it anew",
                code="other-owner",
            ) from None


def _refusal(what: str, owner: Owner, own: Owner) -> PermanentError:
    return PermanentError(
        f"{what} belongs to {owner}, and this service has {own}: a copy of the source, or another service of the same lake,"
        " would mix their archives. If this is the one now, stop the other and run `archival source takeover`; else give this"
        " service a LAKE_URL (another prefix will do) and a ledger of its own",
        code="other-owner",
    )
