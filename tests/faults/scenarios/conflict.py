"""The destination exists."""

from __future__ import annotations

import shutil
from pathlib import Path

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
    """Somebody's files lie where the archive belongs: an error that names them, and they are left alone."""
    folder = _name(stage, "tables")
    folder.mkdir(parents=True)
    (folder / "somebody.txt").write_text("mine")
    _refused_until_gone(stage, folder)


def a_foreign_file(stage: Stage) -> None:
    """A file where the archive's folder belongs."""
    folder = _name(stage, "tables")
    folder.parent.mkdir(parents=True)
    folder.write_text("mine")
    _refused_until_gone(stage, folder)


def a_foreign_manifest(stage: Stage) -> None:
    """The manifest's name is taken."""
    manifest = Path(f"{_name(stage, 'manifests')}.json")
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    _refused_until_gone(stage, manifest)


def _name(stage: Stage, room: str) -> Path:
    chunk = stage.story.chunks[0]
    return stage.world.lake / room / f"{SCHEMA}.{TABLE}" / f"{SCHEMA}.{chunk}_r0"


def _refused_until_gone(stage: Stage, what: Path) -> None:
    stage.play()
    chunk = f"{SCHEMA}.{stage.story.chunks[0]}"
    [job] = [job for job in stage.world.jobs() if job["chunk"] == chunk]
    assert job["status"] == "failed", f"the job is {job['status']}"
    assert what.stem in job["error"]["message"], f"the error does not name what is in the way: {job['error']}"
    assert what.exists(), "what somebody else had there is gone"
    if what.is_dir():
        shutil.rmtree(what)
    else:
        what.unlink()
    stage.story.ask(stage.world)


SCENARIOS = [identical, a_foreign_folder, a_foreign_manifest, a_foreign_file]
