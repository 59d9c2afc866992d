"""Archives and removals of the table `readings` of a service's own schema."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from archival_core.flows.removal.chunk_removal import RemovalReport

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


async def archive(service: Service, *chunks: str, remove: bool | None = True) -> None:
    """Ask for an archive of each chunk, and settle every message."""
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=remove)
    await service.work()


async def remove(service: Service) -> RemovalReport:
    """One run of `remove_chunks`, in which every chunk has its turn, whenever its removal was tried before."""
    service.execute("update archival.job set removal_tried_at = null where hypertable like '$s.%'")
    return await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))
