"""Where the account has a second region, a chunk stays until its archive is there.

A failover to the second region would otherwise lose the archive of a chunk that is gone.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Final, Literal

from archival_core.errors import TransientError
from archival_core.lake import paths
from archival_core.lake.account import LakeAccount
from archival_core.lake.client import LakehouseClient
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest

_LOG = logging.getLogger(__name__)

#: `auto` asks the account for its kind of redundancy. `geo` says that there is a second region, `local` that no region has
#: to be waited for.
Replication = Literal["auto", "geo", "local"]

#: Seconds for which an answer is believed. The kind of redundancy hardly ever changes. How far the second region is changes
#: all the time, but a second region that was far enough only gets further.
_SKU_SECONDS: Final = 3600.0
_SYNC_SECONDS: Final = 15.0
_SYNCED_SECONDS: Final = 60.0
#: Times in the lake are told to the second.
_RESOLUTION: Final = timedelta(seconds=1)


class SecondRegion:
    """What is known of one account, remembered for as long as it may be."""

    def __init__(self, account: LakeAccount, lake: LakehouseClient, replication: Replication) -> None:
        self._account, self._lake, self._replication = account, lake, replication
        self._geo: tuple[bool, float] = (False, 0.0)
        self._synced: tuple[datetime | None, float] = (None, float("-inf"))

    async def check(self, job: Job, manifest: Manifest) -> None:
        """Raise `TransientError` unless the archive is in every region that the account has.

        The code is `lake-not-replicated`, or `lake-replication-unknown` where the account does not say how far its second
        region is.
        """
        if not await self._is_geo(job):
            return
        outer = paths.archive_manifest(manifest.lake_path)
        # the manifest is the last file of an archive; whether a file is missing is found out elsewhere
        found = await self._lake.stat(outer)
        if found is None:
            return
        synced = await self._last_sync(job, found.modified + _RESOLUTION)
        if synced is None or synced <= found.modified + _RESOLUTION:
            progress = f"is as of {synced:%Y-%m-%d %H:%M:%S} UTC" if synced else "does not tell how far it is"
            raise TransientError(
                f"{job.chunk} is not removed before its archive, finished {found.modified:%Y-%m-%d %H:%M:%S} UTC, is in the"
                f" account's second region, which {progress}",
                code="lake-not-replicated",
            )

    async def _is_geo(self, job: Job) -> bool:
        if self._replication != "auto":
            return self._replication == "geo"
        is_geo, until = self._geo
        if time.monotonic() < until:
            return is_geo
        try:
            sku = await self._account.sku()
        except TransientError as error:
            if error.code != "lake-forbidden":
                raise
            # most roles may not ask, and most accounts are in one region
            _LOG.warning("%s; LAKE_REPLICATION says whether there is a second region to wait for, and none is assumed", error)
            sku = ""
        is_geo = "RAG" in sku.upper()
        if not is_geo and "_G" in sku.upper():
            raise _unknown(job, f"the account is {sku}, which does not let anybody read how far its second region is")
        self._geo = (is_geo, time.monotonic() + _SKU_SECONDS)
        return is_geo

    async def _last_sync(self, job: Job, wanted: datetime) -> datetime | None:
        synced, asked_at = self._synced
        good_for = _SYNCED_SECONDS if synced is not None and synced > wanted else _SYNC_SECONDS
        if time.monotonic() < asked_at + good_for:
            return synced
        try:
            synced = await self._account.last_sync()
        except TransientError as error:
            if error.code != "lake-forbidden":
                raise
            raise _unknown(job, "the account's second region is not readable, or the app's identity may not ask") from error
        self._synced = (synced, time.monotonic())
        return synced


def _unknown(job: Job, why: str) -> TransientError:
    return TransientError(
        f"{job.chunk} is not removed, because nobody knows whether its archive is in the account's second region: {why}. Make"
        " the account RA-GRS or RA-GZRS and give the identity the role Reader on it, or set LAKE_REPLICATION to local",
        code="lake-replication-unknown",
    )
