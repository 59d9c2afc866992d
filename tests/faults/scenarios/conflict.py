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
    """Something lies where the archive's manifest belongs: it is left alone, and the archive is the next revision."""
    manifest = Path(f"{_name(stage, 'manifests')}.json")
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    _next_revision(stage, _name(stage, "tables"))
    assert manifest.read_text() == "{}", "what somebody else had there is gone"


def _name(stage: Stage, room: str) -> Path:
    chunk = stage.story.chunks[0]
    return stage.world.lake / room / f"{SCHEMA}.{TABLE}" / f"{SCHEMA}.{chunk}_r0"


def _job(stage: Stage) -> dict[str, Any]:
    chunk = f"{SCHEMA}.{stage.story.chunks[0]}"
    [job] = [job for job in stage.world.jobs() if job["chunk"] == chunk]
    return job


def _left_alone(stage: Stage, what: Path) -> None:
    _next_revision(stage, what)
    assert (what / "somebody.txt" if what.is_dir() else what).read_text() == "mine", "what somebody else had there is gone"


def _next_revision(stage: Stage, taken: Path) -> None:
    """Play it; the job archives, but not at the place that is taken."""
    path = str(taken.relative_to(stage.world.lake))
    stage.world.planted.add(path)
    stage.play()
    job = _job(stage)
    assert job["status"] in ("archived", "removed"), f"the job is {job['status']}: {job['error']}"
    assert job["lake_path"] == f"{path.removesuffix('_r0')}_r1", f"the archive is at {job['lake_path']}"


SCENARIOS = [identical, a_foreign_folder, a_foreign_manifest, a_foreign_file]
