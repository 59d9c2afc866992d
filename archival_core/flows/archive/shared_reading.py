"""Parts of one large chunk are read by several instances, each part in a snapshot of its own.

claim → lock, snapshot → the same history, table, columns and file → no newer row in the part's pages → the part, read back and
compared → the ledger

No transaction is older than one part. What the parts have together is what the first snapshot saw, if it is as many rows:
`source/state/fence.py` says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection, Database, process_of
from archival_core.codec.layout import Profile
from archival_core.errors import ArchivalError, LostClaimError, TransientError
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.flows.archive.readers import all_or_first_error
from archival_core.flows.archive.reading_form import ReadingForm
from archival_core.flows.jobs.watches.giving_way import giving_way
from archival_core.flows.jobs.watches.lease import kept_claim
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.jobs.shared_parts import SharedParts
from archival_core.model.chunks.chunk import Chunk
from archival_core.model.chunks.part_range import PageRange
from archival_core.model.jobs.job import Job
from archival_core.model.jobs.part_claim import PartClaim
from archival_core.model.jobs.progress import Progress
from archival_core.model.lake.manifest import ManifestPart
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.reading_sessions import ReadingSessions
from archival_core.source.session import piped
from archival_core.source.state import history, tables
from archival_core.source.state.fence import holds_old_rows_alone
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.snapshot.waiting import Sessions

_LOG = logging.getLogger(__name__)


class SharedReading:
    """Reads shared parts of chunks of one source, and writes them into one lake."""

    def __init__(
        self,
        source: Database,
        readings: ReadingSessions,
        lake: LakehouseClient,
        parts: SharedParts,
        schema: LakeSchema,
        *,
        readers: int,
        profile: Profile,
        lease: timedelta,
    ) -> None:
        self._source, self._readings, self._lake = source, readings, lake
        self._parts, self._schema = parts, schema
        self._readers, self._profile, self._lease = readers, profile, lease

    async def read(self, job: Job, progress: Progress, may_begin: Callable[[], bool]) -> None:
        """Claim parts of `job` and archive them, while `may_begin` says so and there are parts to be claimed.

        `job` has the lease of its worker, whoever calls this. Raises what a part meets, after that part was given back:
        `TransientError` (`source-changed`) if the chunk is not what `progress` says, or nobody can tell, `GaveWayError`, …
        """
        async with giving_way(self._source, None, job.hypertable) as sessions:

            async def reader() -> None:
                while may_begin() and (claim := await self._parts.claim(job, self._lease)) is not None:
                    await self._work(job, progress, claim, sessions)

            await all_or_first_error(reader() for _ in range(self._readers))

    async def _work(self, job: Job, progress: Progress, claim: PartClaim, sessions: Sessions) -> None:
        assert job.lease_token is not None, "a job whose parts are shared has a worker"
        # A folder that a later claim of the part writes to as well would have two writers.
        path = paths.shared_part(paths.staging_folder(job.job_id, job.attempt, job.lease_token), claim.number, claim.token)
        try:
            async with kept_claim(self._parts, claim, self._lease):
                part = await self._archive(job, progress, claim, path, sessions)
                await self._parts.finish(claim, part, path)
        except LostClaimError as error:
            _LOG.warning("%s", error)
        except BaseException:
            # somebody else need not wait until the claim has run out
            with suppress(ArchivalError):
                await self._parts.give_back(claim)
            raise

    async def _archive(self, job: Job, progress: Progress, claim: PartClaim, path: str, sessions: Sessions) -> ManifestPart:
        async with self._readings.connect() as connection:
            with sessions.with_one_more(process_of(connection)):
                chunk = await catalog.find_chunk(connection, job.hypertable, job.chunk)
                async with ReadSnapshot(connection, chunk) as snapshot:
                    with telemetry.step("archive.prove_part", part=claim.number):
                        form = await self._proven_form(connection, snapshot, chunk, job, progress, claim.number)
                    archiver = PartArchiver(
                        lake=self._lake,
                        database_url=self._source.url_now,
                        snapshot_id=snapshot.snapshot_id,
                        sessions=sessions,
                        form=form,
                        job=job,
                    )
                    return await archiver.archive(claim.number, progress.parts[claim.number], path)

    async def _proven_form(
        self, connection: Connection, snapshot: ReadSnapshot, chunk: Chunk, job: Job, progress: Progress, number: int
    ) -> ReadingForm:
        """The form in which the part is read, inside the part's own snapshot, if the part is what the first snapshot saw."""
        grounds, pages = progress.grounds, progress.parts[number]
        assert isinstance(pages, PageRange), "only parts that are pages are shared"
        async with piped(connection):
            table = await tables.identity_of(connection, job.hypertable)
            form = await ReadingForm.of(connection, snapshot, chunk, grounds.tables, table, self._schema, self._profile)
            stands, is_old = await at_once(
                connection,
                history.stands_on(connection, job.job_id, grounds),
                holds_old_rows_alone(connection, chunk, grounds.snapshot, progress.files, form.storage, pages),
            )
        if not (stands and is_old and form.is_that_of(progress)):
            raise TransientError(f"{chunk.relation} has changed since the first look at it", code="source-changed")
        return form
