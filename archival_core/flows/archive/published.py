"""The manifest inside an archive's folder is read."""

from __future__ import annotations

import asyncio
import hashlib
from uuid import UUID

from pydantic import ValidationError

from archival_core.errors import PermanentError, TransientError
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.lake.errors import DestinationExistsError
from archival_core.model.chunks.chunk import Relation
from archival_core.model.lake.manifest import Manifest


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Parse a manifest that anybody may have written. Raises `PermanentError` (`invalid-manifest`) that names `where`."""
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
    """The manifest with this hash, of the archive that was published at `folder`. The archive may have been superseded
    since.
    """
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
    content = await lake.read_if_there(path)
    if content is None:
        raise PermanentError("it has no manifest", code="no-manifest")
    manifest = parse_manifest(content, path)
    if manifest.lake_path != folder:
        raise PermanentError(f"its manifest is that of {manifest.lake_path}", code="moved-archive")
    return manifest


async def what_lies_at(lake: LakehouseClient, folder: str) -> str | None:
    """Where something lies that an archive at `folder` would run into; `None` if all its places are free.

    An archive has three places: below `tables/`, its manifest, and below `superseded/` once another archive takes its
    place.
    """
    places = (folder, paths.archive_manifest(folder), paths.superseded_folder(folder))
    found = await asyncio.gather(*(lake.stat(path) for path in places))
    return next((path for path, lies in zip(places, found, strict=True) if lies is not None), None)


async def has_room(lake: LakehouseClient, manifest: Manifest) -> bool:
    """Whether the manifest beside a published archive can be written, or lies there already."""
    path, content = paths.archive_manifest(manifest.lake_path), manifest.to_json()
    found = await lake.stat(path)
    if found is None:
        return True
    return not found.is_directory and found.length == len(content) and await lake.read_all(path) == content


async def write_manifest(lake: LakehouseClient, manifest: Manifest) -> None:
    """Write the manifest beside a published archive.

    Raises `TransientError` (`lake-conflict`) if something else lies there: somebody may have put a file there since the
    place was found free.
    """
    path = paths.archive_manifest(manifest.lake_path)
    try:
        await lake.write_once(path, manifest.to_json())
    except DestinationExistsError as error:
        raise TransientError(
            f"{path} in the lake is not the manifest of job {manifest.job_id}; the next attempt takes another revision",
            code="lake-conflict",
        ) from error
