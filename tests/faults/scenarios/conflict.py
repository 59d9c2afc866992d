"""The destination exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.faults.host import Plan
from tests.faults.stage import Stage
from tests.faults.truth import SCHEMA, TABLE
from tests.faults.worker import Interruption


def identical(stage: Stage) -> None:
    """An attempt was killed when it had published: the next one finds its own archive, which is success."""
    step = stage.step(
        "archive_chunk", "write_once|publish_directory|finish_archive", "after" if stage.rng.random() < 0.5 else None
    )
    stage.host.plan = Plan("archive_chunk", Interruption(step))
    stage.play()


def a_foreign_folder(stage: Stage) -> None:
    """Somebody's files lie where the archive belongs: they are left alone, and the archive is the next revision."""
    folder = _name(stage, "tables")
    folder.mkdir(parents=True)
    (folder / "somebody.txt").write_text("mine")
    _left_alone(stage, folder)


def a_foreign_file(stage: Stage) -> None:
    """A file where the archive's folder belongs."""
    folder = _name(stage, "tables")
    folder.parent.mkdir(parents=True)
    folder.write_text("mine")
    _left_alone(stage, folder)


def a_foreign_manifest(stage: Stage) -> None:
    """The manifest's name is taken: an error that names what is there; the archive is complete as soon as that is gone."""
    manifest = Path(f"{_name(stage, 'manifests')}.json")
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    stage.play()
    job = _job(stage)
    assert job["status"] == "failed", f"the job is {job['status']}"
    assert manifest.stem in job["error"]["message"], f"the error does not name what is in the way: {job['error']}"
    assert manifest.read_text() == "{}", "what somebody else had there is gone"
    manifest.unlink()
    stage.story.ask(stage.world)


def _name(stage: Stage, room: str) -> Path:
    chunk = stage.story.chunks[0]
    return stage.world.lake / room / f"{SCHEMA}.{TABLE}" / f"{SCHEMA}.{chunk}_r0"


def _job(stage: Stage) -> dict[str, Any]:
    chunk = f"{SCHEMA}.{stage.story.chunks[0]}"
    [job] = [job for job in stage.world.jobs() if job["chunk"] == chunk]
    return job


def _left_alone(stage: Stage, what: Path) -> None:
    path = str(what.relative_to(stage.world.lake))
    stage.world.planted.add(path)
    stage.play()
    job = _job(stage)
    assert job["status"] in ("archived", "removed"), f"the job is {job['status']}: {job['error']}"
    assert job["lake_path"] == f"{path.removesuffix('_r0')}_r1", f"the archive is at {job['lake_path']}"
    assert (what / "somebody.txt" if what.is_dir() else what).read_text() == "mine", "what somebody else had there is gone"


SCENARIOS = [identical, a_foreign_folder, a_foreign_manifest, a_foreign_file]
