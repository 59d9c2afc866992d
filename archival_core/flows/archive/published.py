"""Reading what is published: the manifest inside an archive's folder."""

from __future__ import annotations

import hashlib
from uuid import UUID

from pydantic import ValidationError

from archival_core.errors import PermanentError
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.model.chunk import Relation
from archival_core.model.manifest import Manifest


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Read a manifest that somebody may have written; raises `PermanentError` (`invalid-manifest`) that names `where`."""
    try:
        manifest = Manifest.model_validate_json(content)
        UUID(manifest.job_id)
        Relation.parse(manifest.hypertable), Relation.parse(manifest.chunk)
    except (ValidationError, ValueError, PermanentError):
        raise PermanentError(f"{where} is no manifest of this service", code="invalid-manifest") from None
    return manifest


async def inner_manifest_sha256(lake: LakehouseClient, folder: str) -> str:
    """Hexadecimal digest of the manifest inside the archive at `folder`."""
    return hashlib.sha256(await lake.read_all(f"{folder}/{paths.INNER_MANIFEST}")).hexdigest()


async def find_manifest(lake: LakehouseClient, folder: str, sha256: str) -> Manifest | None:
    """The manifest with this hash, of the archive that was published at `folder`; it may have been superseded since."""
    for place in (folder, paths.superseded_folder(folder)):
        path = f"{place}/{paths.INNER_MANIFEST}"
        if await lake.stat(path) is not None:
            content = await lake.read_all(path)
            if hashlib.sha256(content).hexdigest() == sha256:
                return parse_manifest(content, path)
    return None


async def read_inner_manifest(lake: LakehouseClient, folder: str) -> Manifest:
    """The manifest of the archive at `folder` below `tables/`.

    Raises `PermanentError`: `no-manifest`, `invalid-manifest`, or `moved-archive` if it is the manifest of another folder.
    """
    path = f"{folder}/{paths.INNER_MANIFEST}"
    if await lake.stat(path) is None:
        raise PermanentError("it has no manifest", code="no-manifest")
    manifest = parse_manifest(await lake.read_all(path), path)
    if manifest.lake_path != folder:
        raise PermanentError(f"its manifest is that of {manifest.lake_path}", code="moved-archive")
    return manifest
