"""A published archive is compared with its manifest: does the lake still hold what was written?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

from pydantic import ValidationError

from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.lake.entries import LakePath
from archival_core.model.lake.finding import Finding, Problem
from archival_core.model.lake.manifest import Manifest

_READ_BYTES = 8 * 1024 * 1024


async def check_archive(
    lake: LakehouseClient, manifest: Manifest, *, content: bool | Callable[[str], bool] = True
) -> list[Finding]:
    """Compare files, lengths and, with `content`, the SHA-256 of each file; an empty list means that all is as it was
    written.

    `content` may also be a function that chooses: it is asked about the path of each part. With `content` every byte is
    read, in blocks, so that memory stays flat. Raises `TransientError` when the lake does not answer.
    """
    folder = manifest.lake_path
    found = {path.path: path async for path in lake.list(folder) if not path.is_directory}
    outer = paths.archive_manifest(folder)
    inner = f"{folder}/{paths.INNER_MANIFEST}"
    findings = [await _check_manifest(lake, path, manifest) for path in (inner, outer)]
    parts = {f"{folder}/{part.file}": part for part in manifest.parts}
    for path, part in parts.items():
        findings.append(_check_length(path, part.bytes, found.get(path)))
        chosen = content(path) if callable(content) else content
        if findings[-1] is None and chosen and await sha256(lake, path, part.bytes) != part.sha256:
            findings.append(Finding(path, Problem.ALTERED, "its SHA-256 is not the manifest's"))
    findings += [
        Finding(path, Problem.EXTRA, "the manifest does not name it") for path in found.keys() - parts.keys() - {inner}
    ]
    return [finding for finding in findings if finding is not None]


async def sha256(lake: LakehouseClient, path: str, length: int) -> str:
    """Hexadecimal digest of a file."""
    digest = hashlib.sha256()
    for offset in range(0, length, _READ_BYTES):
        block = await lake.read(path, offset, min(_READ_BYTES, length - offset), checked=False)
        await asyncio.to_thread(digest.update, block)
    return digest.hexdigest()


def _check_length(path: str, length: int, found: LakePath | None) -> Finding | None:
    if found is None:
        return Finding(path, Problem.MISSING, f"{length} bytes were written")
    if found.length != length:
        return Finding(path, Problem.SHORT, f"it has {found.length} bytes instead of {length}")
    return None


async def _check_manifest(lake: LakehouseClient, path: str, manifest: Manifest) -> Finding | None:
    content = await lake.read_if_there(path)
    if content is None:
        return Finding(path, Problem.MISSING, "the archive's manifest is not there")
    try:
        found = Manifest.model_validate_json(content)
    except ValidationError:
        return Finding(path, Problem.ALTERED, "it is no manifest any more")
    return None if found == manifest else Finding(path, Problem.ALTERED, "it is not the ledger's manifest")
