"""What is proven before a chunk goes: its archive is whole, comes back, and still is what the chunk holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from archival_core import telemetry
from archival_core.clients.postgres.database import Connection
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.archive.archive_check import check_archive
from archival_core.flows.archive.published import inner_manifest_sha256
from archival_core.flows.jobs.chunk_places import ChunkPlaces
from archival_core.flows.removal.lake_marker import LakeMarker
from archival_core.flows.removal.second_region import SecondRegion
from archival_core.flows.removal.trial import TrialRestore
from archival_core.flows.tables.standing import Standing
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.archives.removals import Removals
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.model.chunks.grounds import Grounds
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.at_once import at_once
from archival_core.source.catalog.definition.used_types import holds_names
from archival_core.source.removal import guards
from archival_core.source.restore.proof.trial import ComesBackOtherwiseError
from archival_core.source.session import pinned, piped
from archival_core.source.state import history
from archival_core.source.state.marks import mark_schema
from archival_core.source.state.marks.copies import check_settled
from archival_core.source.state.marks.placed import companions
from archival_core.source.state.marks.stand_ins import StandIn, StandInKind
from archival_core.source.state.origin import renamed_chunk
from archival_core.source.state.tables import born, tables_of, those_there

#: a policy of the table's would hide rows; the server refuses instead
_EVERY_ROW: Final = {"row_security": "off"}


class ChangedError(TransientError):
    """The chunk does not hold the archived rows any more, and has to be archived again."""

    def __init__(self, chunk: Chunk, what: str) -> None:
        super().__init__(f"{chunk.relation} is not removed: {what} since it was archived", code="source-changed")


class RenamedError(ChangedError):
    """The chunk or its hypertable has another name: it is archived again under that."""

    def __init__(self, job: Job, chunk: Chunk) -> None:
        super().__init__(replace(chunk, relation=job.chunk), f"it is {chunk.relation} of {chunk.hypertable} now, renamed")
        self.chunk = chunk


@dataclass(frozen=True, slots=True)
class Looked:
    """A chunk that may go, as far as the catalog tells."""

    chunk: Chunk
    manifest: Manifest
    #: the grounds that the fence goes by; `None` where no mark proves that the server's history is that of the archive
    grounds: Grounds | None
    #: whether its values name objects of the database
    holds_names: bool


@dataclass(frozen=True, slots=True)
class Proven:
    """A chunk whose archive is proven. What may have happened since is checked under the lock."""

    chunk: Chunk
    manifest: Manifest
    #: SHA-256 of the manifest's file
    manifest_sha256: str
    grounds: Grounds

    def stand_in(self, job: Job, kind: StandInKind) -> StandIn:
        """The mark that says what became of the chunk's rows."""
        return StandIn(
            archive=job.job_id,
            kind=kind,
            hypertable=str(job.hypertable),
            chunk=str(job.chunk),
            lake_path=self.manifest.lake_path,
            manifest=self.manifest_sha256,
            oid=self.chunk.oid,
            born=born(self.grounds.tables, self.chunk.oid),
        )


class ChunkProof:
    """Proves archives of one lake against the chunks of one source."""

    def __init__(
        self,
        lake: LakehouseClient,
        removals: Removals,
        trial: TrialRestore,
        marker: LakeMarker,
        second_region: SecondRegion,
        standing: Standing,
        places: ChunkPlaces,
    ) -> None:
        self._lake, self._removals, self._trial = lake, removals, trial
        self._marker, self._second_region, self._standing = marker, second_region, standing
        self._places = places

    async def look(self, connection: Connection, job: Job) -> Looked:
        """The chunk, if it is the one that was archived, holds the archived rows, and nobody else would suffer. Nothing is
        locked.

        Raises `ChangedError`, and `PermanentError` for what stands in the way.
        """
        manifest = Manifest.of_ledger(job.manifest, job.job_id)
        async with catalog.asked(connection, **_EVERY_ROW):
            chunk = await _find(connection, job, manifest)
            siblings, restored_with, grounds, names, _ = await at_once(
                connection,
                guards.siblings(connection, chunk),
                companions(connection, chunk),
                self._grounds(connection, job, chunk, manifest),
                holds_names(connection, chunk.hypertable),
                _check_facts(connection, chunk),
            )
            if missing := await self._unarchived(connection, job.hypertable, [*siblings, *restored_with]):
                raise TransientError(
                    f"{job.chunk} is not removed before the chunks of its time range, and those that one archive was restored"
                    f" into with it, are archived: {', '.join(missing)} is not",
                    code="sibling-not-archived",
                )
            if grounds is not None:
                # what has changed keeps no writer waiting, and what has not is in memory when it is asked again under the lock
                await _check_rows(connection, chunk, grounds)
        beside = await self._removals.beside(job, chunk.range)
        there = await those_there(connection, beside.keys())
        if unsettled := [name for table, name in beside.items() if table not in there]:
            # once this chunk is gone, nobody can tell whether its rows are in it
            raise TransientError(
                f"{job.chunk} is not removed before reconcile has found out what became of the rows of {', '.join(unsettled)},"
                " whose table is gone and whose archive is of the same range",
                code="archive-unsettled",
            )
        return Looked(chunk, manifest, grounds, holds_names=names)

    async def prove(self, connection: Connection, job: Job) -> Proven:
        """Everything that can be proven before the lock.

        Raises as `look`; `PermanentError`: `archive-damaged`, `not-restorable`, `marks-not-permitted`; and `TransientError`:
        `lake-back`, `lake-not-replicated`, `lake-replication-unknown`, `not-in-table`.
        """
        with telemetry.step("removal.look"):
            looked = await self.look(connection, job)
            if not await mark_schema.ensure(connection):
                raise PermanentError(
                    f"{job.chunk} is not removed, because the service's role may not write to schema {mark_schema.SCHEMA} of"
                    " the source, where the drop is recorded; an administrator makes the schema and lets the role own it",
                    code="marks-not-permitted",
                )
        chunk, manifest = looked.chunk, looked.manifest
        with telemetry.step("removal.lake"):
            await self._marker.check(job)
            await self._second_region.check(job, manifest)
        with telemetry.step("removal.check"):
            findings = await check_archive(self._lake, manifest)
        if findings:
            raise PermanentError(
                f"{job.chunk} is not removed, because its archive is damaged: {findings[0]}", code="archive-damaged"
            )
        sha256 = job.manifest_sha256 or await inner_manifest_sha256(self._lake, manifest.lake_path)
        with telemetry.step("removal.trial"):
            grounds = looked.grounds
            # no mark and no fence notices that what a value names was renamed, and slices may miss the value
            if grounds is None or looked.holds_names:
                # Guard RENEW: the history of the archive's own reading may be lost, and its numbers given out again. From the
                # comparison on, the comparison's snapshot counts.
                grounds = await self._compare_all(connection, job, chunk, manifest)
                await self._removals.record_proof(job, grounds, chunk.oid, born(grounds.tables, chunk.oid), sha256)
            else:
                await self._try_some(connection, chunk, manifest, grounds)
        with telemetry.step("removal.table"):
            # asked last, because a comparison may just have proven an archive of a lost history, which has no place in the
            # table before
            await self._standing.check(job)
        return Proven(chunk, manifest, sha256, grounds)

    async def check_again(self, connection: Connection, job: Job, proven: Proven) -> None:
        """Check all facts that decide, inside the transaction that has the chunk locked.

        Guard UNDERLOCK: facts from before the lock may be from before an ALTER TABLE that the lock waited for.
        """
        # No stretch of pipelines: the server counts a session as idle, and ends one that is frozen, only between ways that each
        # end with a Sync. And writers wait, so nothing is waited for here.
        async with pinned(connection, lock_timeout="100ms", **_EVERY_ROW):
            chunk = proven.chunk
            found, is_same_table, stands, _ = await at_once(
                connection,
                _find(connection, job, proven.manifest),
                history.is_same_table(connection, chunk, proven.grounds),
                history.stands_on(connection, job.job_id, proven.grounds),
                _check_facts(connection, chunk),
            )
            if found != chunk or not is_same_table:
                raise ChangedError(chunk, "its table was altered or replaced")
            if proven.grounds.nonce is not None and not stands:
                raise ChangedError(chunk, "its server was put back")
            await _check_rows(connection, chunk, proven.grounds)

    async def _unarchived(self, connection: Connection, hypertable: Relation, together: Sequence[Relation]) -> list[str]:
        """Those of the chunks `together` that have no archive of their own."""
        if not together:
            return []
        chunks = [await catalog.find_chunk(connection, hypertable, relation) for relation in together]
        places = await self._places.of(str(hypertable), chunks, limit=0)
        return sorted({str(chunk.relation) for chunk in chunks if places.archive(chunk) is None})

    async def _grounds(self, connection: Connection, job: Job, chunk: Chunk, manifest: Manifest) -> Grounds | None:
        """The grounds that a fence may go by: those of the last comparison of the whole archive, or those of its own
        reading.
        """
        # Guard ADOPTED: who can write to the lake could have made it up, under the nonce of a mark that the source has.
        if job.proof is None and job.adopted:
            return None
        grounds = manifest.grounds_since(job.proof)
        stands = await history.stands_on(connection, job.job_id, grounds)
        return grounds if stands and await history.is_same_table(connection, chunk, grounds) else None

    async def _try_some(self, connection: Connection, chunk: Chunk, manifest: Manifest, grounds: Grounds) -> None:
        try:
            await self._trial.some(connection, chunk, manifest)
        except ComesBackOtherwiseError:
            # a row that was written meanwhile is not the archive's fault
            await _check_rows(connection, chunk, grounds)
            raise

    async def _compare_all(self, connection: Connection, job: Job, chunk: Chunk, manifest: Manifest) -> Grounds:
        try:
            return await self._trial.all(connection, job, chunk, manifest)
        except ComesBackOtherwiseError as error:
            raise ChangedError(chunk, "all of it was compared, and its rows are not those of the archive") from error


async def _find(connection: Connection, job: Job, manifest: Manifest) -> Chunk:
    """The chunk, if it has its name and the definition that it had then. Raises `ChangedError` and `PermanentError`."""
    _, _, chunk, is_defined_as_then = await at_once(
        connection,
        _check_tells_itself(connection),
        _check_not_renamed(connection, job, manifest),
        catalog.find_chunk(connection, job.hypertable, job.chunk),
        history.is_defined_as_then(connection, job.hypertable, manifest),
    )
    if not is_defined_as_then:
        raise ChangedError(chunk, "its table was altered")
    return chunk


async def _check_tells_itself(connection: Connection) -> None:
    """Raise `PermanentError` (`other-server`) if the server does not tell who it is."""
    if not (await catalog.database_identity(connection)).system_identifier:
        raise PermanentError(
            "the server does not tell who it is, so nothing is removed: GRANT EXECUTE ON FUNCTION pg_control_system() TO the"
            " service's role",
            code="other-server",
        )


async def _check_not_renamed(connection: Connection, job: Job, manifest: Manifest) -> None:
    renamed = await renamed_chunk(connection, manifest)
    if renamed is not None:
        raise RenamedError(job, renamed)


async def _check_facts(connection: Connection, chunk: Chunk) -> None:
    """Raise `PermanentError` if somebody else would suffer."""
    await at_once(connection, guards.check_all(connection, chunk), _check_settled(connection, chunk))


async def _check_settled(connection: Connection, chunk: Chunk) -> None:
    await check_settled(connection, chunk.hypertable, await tables_of(connection, chunk))


async def _check_rows(connection: Connection, chunk: Chunk, grounds: Grounds) -> None:
    """Raise `ChangedError` unless the rows are those of the archive, as the transaction of `connection` sees them."""
    async with piped(connection, **_EVERY_ROW):
        if not await history.holds_same_rows(connection, chunk, grounds):
            raise ChangedError(chunk, "its rows may have changed")
