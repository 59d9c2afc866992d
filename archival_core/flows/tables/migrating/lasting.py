"""What was written anew has to outlast what may befall the lake, as the archive of a chunk that goes has to.

From the handover on nothing but the new archive stands in for the rows. So its every byte is read where it lies now, a marker
is written after it, by which a lake that goes back is noticed, and the account's second region has to have it.
"""

from __future__ import annotations

from typing import Protocol

from archival_core.errors import PostponedError, TransientError
from archival_core.flows.archive.archive_check import check_archive
from archival_core.lake.client import LakehouseClient
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest


class Marker(Protocol):
    """The lake's marker, which is to be younger than the archive of `job`."""

    async def check(self, job: Job) -> None:
        """Raise `TransientError` (`lake-back`) unless the lake is as far as the ledger knows."""


class SecondRegion(Protocol):
    """The account's second region, if it has one."""

    async def check(self, job: Job, manifest: Manifest) -> None:
        """Raise `TransientError` (`lake-not-replicated`, `lake-replication-unknown`) unless the archive is there."""


class Lasting:
    """Looks at archives in one lake before they take the place of others."""

    def __init__(self, lake: LakehouseClient, marker: Marker, second_region: SecondRegion) -> None:
        self._lake, self._marker, self._second_region = lake, marker, second_region

    async def check(self, job: Job, manifest: Manifest) -> None:
        """Raise `TransientError` (`archive-damaged`) unless the published archive is what was written, and `PostponedError`
        (`lake-back`, `lake-not-replicated`, `lake-replication-unknown`) while the lake may still lose it unnoticed.
        """
        if findings := await check_archive(self._lake, manifest):
            raise TransientError(f"{findings[0].file}: {findings[0].detail}", code="archive-damaged")
        try:
            await self._marker.check(job)
            await self._second_region.check(job, manifest)
        except PostponedError:
            raise
        except TransientError as error:
            raise PostponedError(f"the new archive waits, and the former stands in: {error}", code=error.code) from error
