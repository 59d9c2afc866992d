"""Whether the chunks of archives are still in the database that they came from."""

from __future__ import annotations

from collections.abc import Sequence

from archival_core.clients.postgres import Database
from archival_core.model.chunk import Relation, ServerIdentity
from archival_core.model.job import Status
from archival_core.model.manifest import Manifest
from archival_core.source import catalog
from archival_core.source.catalog.presence import table_oids


async def statuses(source: Database, manifests: Sequence[Manifest]) -> list[Status]:
    """`removed` for each archive whose chunk is gone from this very database, else `archived`, in the order of `manifests`.

    In another database nobody can tell, and `archived` is what does no harm: removal compares everything again.
    """
    async with source.connect() as connection:
        here = await catalog.server_identity(connection)
        oids = await table_oids(connection, [Relation.parse(manifest.chunk) for manifest in manifests])

    def status(manifest: Manifest) -> Status:
        if not here.system_identifier or not is_from(here, manifest):
            return Status.ARCHIVED
        oid = oids.get(Relation.parse(manifest.chunk))
        # a manifest without an oid says only the name
        is_there = oid is not None and manifest.relation_oid in (0, oid)
        return Status.ARCHIVED if is_there else Status.REMOVED

    return [status(manifest) for manifest in manifests]


def is_from(here: ServerIdentity, manifest: Manifest) -> bool:
    """Whether the archive is of this very database, as far as the server tells."""
    source = manifest.source
    return (source.system_identifier, source.database) == (here.system_identifier, here.database)
