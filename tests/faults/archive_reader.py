"""Published archives as plain files: pyarrow, hashlib and json, no code of the service."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.truth import COLUMNS, Row


@dataclass(frozen=True, slots=True)
class Archive:
    """One folder below `tables/`."""

    path: str
    manifest: dict[str, Any] | None
    rows: list[Row]
    problems: list[str]


def archives(lake: Path, planted: Collection[str] = ()) -> Iterator[Archive]:
    """Every folder that is published; one is a folder that holds files, other than those of somebody else at `planted`, and
    other than a table's log."""
    files = [file for file in (lake / "tables").rglob("*") if file.is_file() and str(file.relative_to(lake)) not in planted]
    for folder in sorted({file.parent for file in files if file.parent.name != "_delta_log"}):
        yield _read(lake, folder)


def manifests(lake: Path) -> dict[str, dict[str, Any]]:
    """What lies below `manifests/`, by the path of the archive that it is named after."""
    top = lake / "manifests"
    return {
        f"tables/{file.relative_to(top).with_suffix('')}": json.loads(file.read_text()) for file in sorted(top.rglob("*.json"))
    }


def _read(lake: Path, folder: Path) -> Archive:
    path, problems = str(folder.relative_to(lake)), []
    inner = folder / "_manifest.json"
    manifest = json.loads(inner.read_text()) if inner.is_file() else None
    if manifest is None:
        problems.append(f"{path} has no manifest")
    listed = {part["file"]: part for part in manifest["parts"]} if manifest else {}
    files = {file.name: file for file in folder.iterdir() if file.name != "_manifest.json"}
    if manifest and set(files) != set(listed):
        problems.append(f"{path} has {sorted(files)}, its manifest names {sorted(listed)}")
    rows: list[Row] = []
    for name, file in sorted(files.items()):
        content = file.read_bytes()
        said = listed.get(name)
        if said and (len(content), hashlib.sha256(content).hexdigest()) != (said["bytes"], said["sha256"]):
            problems.append(f"{path}/{name} is not what its manifest says")
        try:
            table = pq.ParquetFile(file).read(columns=list(COLUMNS))
            values = [table.column(column).to_pylist() for column in COLUMNS]
        except (pa.ArrowException, OSError, ValueError, LookupError) as error:
            # flipped bits may make a text that is none, or a column of another name
            problems.append(f"{path}/{name} cannot be read: {error}")
            continue
        if said and table.num_rows != said["rows"]:
            problems.append(f"{path}/{name} has {table.num_rows} rows, its manifest says {said['rows']}")
        rows += zip(*values, strict=True)
    return Archive(path, manifest, rows, problems)
