"""The status of archives that only the lake knows, from the marks and tables of the source."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from archival_core.clients.postgres.database import Database
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.job import Status
from archival_core.model.lake.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.catalog.presence import table_oids
from archival_core.source.state import history
from archival_core.source.state.marks import stand_ins
from archival_core.source.state.marks.stand_ins import StandInKind


async def statuses(source: Database, manifests: Sequence[Manifest]) -> list[Status]:
    """The status of each archive, in the order of `manifests`: `removed` where it stands in for rows, else `archived`.

    A mark decides where there is one. An archive from before there were marks is removed if its table is missing from this
    very database. In another database nobody can tell, and `archived` does no harm: all rows are compared before anything
    is removed.
    """
    async with source.connect() as connection:
        here = await catalog.server_identity(connection)
        oids = await table_oids(connection, [Relation.parse(manifest.chunk) for manifest in manifests])
        marked = await stand_ins.stand_ins(connection, [UUID(manifest.job_id) for manifest in manifests])

    def status(manifest: Manifest) -> Status:
        mark = marked.get(UUID(manifest.job_id))
        if mark is not None and mark.manifest == manifest.sha256():
            return Status.ARCHIVED if mark.kind is StandInKind.RESTORED else Status.REMOVED
        if manifest.nonce is not None or not history.is_same_server(here, manifest):
            return Status.ARCHIVED
        oid = oids.get(Relation.parse(manifest.chunk))
        # a manifest without an oid has only the name of the table
        is_there = oid is not None and manifest.relation_oid in (0, oid)
        return Status.ARCHIVED if is_there else Status.REMOVED

    return [status(manifest) for manifest in manifests]
