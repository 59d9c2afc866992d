"""Somebody else can write to the lake: forges, copies, deletes and plants. What lies there may be lost; no row may be.

Whatever is in the way of the service's own work, a person moves away, and asks again. Nobody repairs an archive.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq

from tests.faults.stage import Stage, where_chunks_leave
from tests.faults.truth import SCHEMA, TABLE

_MANIFEST = "_manifest.json"
_TABLE_FOLDER = f"tables/{SCHEMA}.{TABLE}"


@where_chunks_leave
def forged(stage: Stage) -> None:
    """A folder at the archive's place, made of what the job has in staging, with fewer rows; its manifest agrees with it."""
    stage.approach("archive_chunk")
    step = next(s for s in stage.trace()["archive_chunk"] if "publish_directory" in s.name and s.when == "before")
    running = stage.begin_until("archive_chunk", step)
    if running is None:
        return
    [staging] = [file.parent for file in (stage.world.lake / "staging").rglob(_MANIFEST)]
    manifest = json.loads((staging / _MANIFEST).read_text())
    folder = stage.world.lake / manifest["lake_path"]
    _plant(stage, staging, folder, manifest)
    _forge(folder)
    running.worker.resume()
    running.end()
    stage.host.round()
    _moved_away(stage, folder)


@where_chunks_leave
def written_before(stage: Stage) -> None:
    """A file lies where the archive's folder belongs, so the archive is the next revision. Then a forged copy of the archive
    takes the file's place, and claims to be the job's."""
    folder = stage.world.lake / _TABLE_FOLDER / f"{SCHEMA}.m1_r0"
    folder.mkdir(parents=True)
    (folder / "part-00000.parquet").write_bytes(b"nothing")
    stage.world.planted.add(str(folder.relative_to(stage.world.lake)))
    stage.play()
    archive = folder.with_name(f"{SCHEMA}.m1_r1")
    assert archive.is_dir(), f"the archive is not the next revision: {stage.world.jobs()}"
    shutil.rmtree(folder)
    manifest = json.loads((archive / _MANIFEST).read_text())
    _plant(stage, archive, folder, manifest | {"revision": 0, "lake_path": str(folder.relative_to(stage.world.lake))})
    _forge(folder)
    stage.world.let_time_pass()
    stage.host.invoke("reconcile")


@where_chunks_leave
def _damaged(what: str, stage: Stage) -> None:
    """Between the archive and the removal, something of the archive goes, or is altered: its chunk stays until it is archived
    again."""
    stage.approach("remove_chunks")
    folder = stage.world.lake / _TABLE_FOLDER / f"{SCHEMA}.m1_r0"
    outer = stage.world.lake / "manifests" / f"{SCHEMA}.{TABLE}" / f"{SCHEMA}.m1_r0.json"
    part = stage.rng.choice(sorted(folder.glob("*.parquet")))
    match what:
        case "a part is deleted":
            part.unlink()
        case "a part is another's":
            shutil.copy(next((stage.world.lake / _TABLE_FOLDER / f"{SCHEMA}.m2_r0").glob("*.parquet")), part)
        case "the archive is deleted":
            shutil.rmtree(folder)
        case "its manifest is deleted":
            (folder / _MANIFEST).unlink()
        case "the other manifest is deleted":
            outer.unlink()
        case "a part is forged":
            _forge(folder)
            outer.write_text((folder / _MANIFEST).read_text())
    stage.note(what)
    stage.host.run("remove_chunks")
    with stage.world.connect() as connection:
        [row] = connection.execute(f"select to_regclass('{SCHEMA}.m1') is not null as stays".encode()).fetchall()
    assert row["stays"], f"the chunk is gone although {what}"
    stage.archive_again("m1")


@where_chunks_leave
def _planted(what: str, stage: Stage) -> None:
    """A folder that the service never published, with a manifest that claims something."""
    stage.play()
    stage.recover()
    source = stage.world.lake / _TABLE_FOLDER / f"{SCHEMA}.m1_r0"
    manifest = json.loads((source / _MANIFEST).read_text())
    stranger: dict[str, Any] = {"job_id": str(uuid4())}
    match what:
        case "a copy under another name":
            name, changes = "m1_r7", dict[str, Any]()
        case "a copy that knows its name":
            name, changes = "m1_r7", {"revision": 7}
        case "a later revision of nobody":
            name, changes = "m1_r7", {**stranger, "revision": 7}
        case "an archive of a chunk that has none":
            name, changes = "m3_r0", {**stranger, **_of_march(stage)}
        case _:  # "one that supersedes others"
            name = "m3_r0"
            others = [f"{_TABLE_FOLDER}/{SCHEMA}.{chunk}_r0" for chunk in stage.story.chunks]
            changes = {**stranger, **_of_march(stage), "supersedes": others}
    folder = stage.world.lake / _TABLE_FOLDER / f"{SCHEMA}.{name}"
    path = {"lake_path": str(folder.relative_to(stage.world.lake))} if changes else {}
    _plant(stage, source, folder, {**manifest, **path, **changes})
    stage.note(what)
    for _ in range(2):
        stage.world.let_time_pass()
        stage.host.invoke("reconcile")
        stage.host.round()


def _of_march(stage: Stage) -> dict[str, Any]:
    """What a manifest of the chunk that nobody has asked for would say."""
    with stage.world.connect() as connection:
        query = f"select '{SCHEMA}.m3'::regclass::oid::bigint as oid"
        [row] = connection.execute(query.encode()).fetchall()
    return {
        "chunk": f"{SCHEMA}.m3",
        "relation_oid": row["oid"],
        "range_start": "2026-03-01T00:00:00Z",
        "range_end": "2026-04-01T00:00:00Z",
    }


def _plant(stage: Stage, source: Path, folder: Path, manifest: dict[str, Any]) -> None:
    shutil.copytree(source, folder, dirs_exist_ok=True)
    (folder / _MANIFEST).write_text(json.dumps(manifest))
    stage.world.planted.add(str(folder.relative_to(stage.world.lake)))


def _forge(folder: Path) -> None:
    """Leave the first row of each part out, and have the manifest agree."""
    manifest = json.loads((folder / _MANIFEST).read_text())
    for part in manifest["parts"]:
        file = folder / part["file"]
        table = pq.read_table(file).slice(1)
        pq.write_table(table, file)
        content = file.read_bytes()
        part |= {"rows": table.num_rows, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["rows"] = sum(part["rows"] for part in manifest["parts"])
    manifest["parquet_bytes"] = sum(part["bytes"] for part in manifest["parts"])
    (folder / _MANIFEST).write_text(json.dumps(manifest))


def _moved_away(stage: Stage, folder: Path) -> None:
    """A person moves what is in the way, if the service has not taken it for its own, and asks again."""
    path = str(folder.relative_to(stage.world.lake))
    if any(job["lake_path"] == path and job["status"] in ("archived", "removed") for job in stage.world.jobs()):
        return
    shutil.rmtree(folder, ignore_errors=True)
    stage.world.planted.discard(path)
    # a message that comes again must not find the job at work
    stage.world.let_time_pass()
    stage.story.ask(stage.world)


SCENARIOS: list[Callable[[Stage], None]] = [
    forged,
    *(
        partial(_damaged, what)
        for what in (
            "a part is deleted",
            "a part is another's",
            "the archive is deleted",
            "its manifest is deleted",
            "the other manifest is deleted",
            "a part is forged",
        )
    ),
    written_before,
    *(
        partial(_planted, what)
        for what in (
            "a copy under another name",
            "a copy that knows its name",
            "a later revision of nobody",
            "an archive of a chunk that has none",
            "one that supersedes others",
        )
    ),
]
