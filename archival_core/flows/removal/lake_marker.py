"""The lake's marker is a file that the service writes from time to time, and that shows whether the lake went back.

A lake goes back when its storage account fails over to the second region, when its container is undeleted, or when a copy
is put in its place. Files of archives whose chunks have gone since may be missing then, and nothing but their absence would
tell. The ledger knows the last marker. A lake whose marker is older than that, or that has none, went back.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Final
from uuid import uuid4

from pydantic import ValidationError

from archival_core.errors import TransientError
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.tables.generations import HeldGeneration, LakeGenerations
from archival_core.model.jobs.job import Job
from archival_core.model.lake.generation import Generation, KnownGeneration, went_back

_LOG = logging.getLogger(__name__)

#: A marker of this age is written over.
_EVERY: Final = timedelta(hours=1)
#: For so many seconds the result of a comparison is believed.
_FRESH_SECONDS: Final = 30.0


class LakeMarker:
    """Compares the marker in one lake with what one ledger knows."""

    def __init__(self, lake: LakehouseClient, generations: LakeGenerations) -> None:
        self._lake, self._generations = lake, generations
        self._believed_until = 0.0

    async def check(self, job: Job) -> None:
        """Raise `TransientError` (`lake-back`) unless the lake is as far as the ledger knows.

        A chunk goes only after a marker was written that is younger than its archive. A lake that goes back to before the
        archive also goes back to before that marker, and the service notices.
        """
        covered, is_back = await self._generations.covers(job.job_id)
        if not covered or time.monotonic() > self._believed_until:
            await self.look(advance=not covered)
            _, is_back = await self._generations.covers(job.job_id)
        if is_back:
            raise TransientError(
                f"{job.chunk} is not removed yet: the lake went back to an earlier state, and what was archived since then is"
                " verified first",
                code="lake-back",
            )

    async def look(self, *, advance: bool = False) -> bool:
        """Compare the marker with the ledger, and write the next one if it is old, or if `advance` says so.

        Returns whether the lake is behind, and archives are still to be verified because of that.
        """
        async with self._generations.held() as held:
            found = await self._marker_in_lake()
            is_noticed = went_back(held.known, found)
            if is_noticed:
                # committed before the next marker is written, or a crash in between would hide it
                archives = await held.note_back(found)
                since = found.written_at.isoformat() if found else "before its first marker"
                _LOG.error(
                    "the lake went back to %s: %d archives are verified at once, and no chunk is removed until then",
                    since,
                    archives,
                )
        async with self._generations.held() as held:
            found = await self._marker_in_lake()
            # if the lake went back further meanwhile, the next look notices
            if not went_back(held.known, found):
                await self._advance(held, found, advance=advance or is_noticed)
            if await held.end_if_verified():
                _LOG.warning("what was archived since the lake went back is verified; removal goes on")
        self._believed_until = time.monotonic() + _FRESH_SECONDS
        return (await self._generations.known()).is_back

    async def _advance(self, held: HeldGeneration, found: Generation | None, *, advance: bool) -> None:
        known = held.known
        if not advance and found is not None and found.token == known.token and not _is_old(known):
            return
        sequence = max(known.sequence, found.sequence if found else 0) + 1
        generation = Generation(sequence=sequence, token=uuid4(), written_at=known.now)
        await self._lake.write_into(paths.GENERATION, generation.to_json())
        await held.advance(generation)

    async def _marker_in_lake(self) -> Generation | None:
        """The marker in the lake; `None` if there is none that can be read."""
        content = await self._lake.read_if_there(paths.GENERATION)
        if content is None:
            return None
        try:
            return Generation.model_validate_json(content)
        except ValidationError as error:
            _LOG.error("%s in the lake cannot be read, and counts as none: %s", paths.GENERATION, type(error).__name__)
            return None


def _is_old(known: KnownGeneration) -> bool:
    return known.written_at is None or known.now - known.written_at > _EVERY
