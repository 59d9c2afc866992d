"""The lake goes back after chunks were dropped: to a region that had not everything, to an undeleted container, to a copy.

What is lost is found at once, nothing more is removed until then, and a person brings the files back.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.stage import Stage, where_chunks_leave
from tests.faults.truth import SCHEMA, TABLE

_MARKER = "generation.json"
_FOLDERS = (f"tables/{SCHEMA}.{TABLE}", f"manifests/{SCHEMA}.{TABLE}")


@where_chunks_leave
def _back(what: str, stage: Stage) -> None:
    """To a state from before the archives, from before the removals, or to the second region, where some files are not yet."""
    stage.note(what)
    stage.approach("archive_chunk")
    before_archives = _copied(stage, "before archives")
    stage.host.run("archive_chunk")
    before_removals = _copied(stage, "before removals")
    stage.host.run("remove_chunks")
    newest = _copied(stage, "newest")
    match what:
        case "before the archives":
            _put(stage, before_archives)
            lost = set(stage.story.chunks)
        case "before the removals":
            _put(stage, before_removals)
            lost = set[str]()
        case _:  # "the second region"
            lost = {stage.rng.choice(stage.story.chunks)}
            _lose(stage, *lost)
    stage.archive_again("m3")
    stage.host.run("archive_chunk")
    stage.host.run("remove_chunks")
    with stage.world.connect() as connection:
        [row] = connection.execute(f"select to_regclass('{SCHEMA}.m3') is not null as stays".encode()).fetchall()
    assert row["stays"], "a chunk was removed before anybody had looked at what the lake has lost"
    stage.world.let_time_pass()
    outcome = stage.host.invoke("reconcile")
    assert outcome.succeeded, f"reconcile failed: {outcome.error}"
    assert _missing(stage) == lost, f"{_missing(stage)} are found to be missing, and {lost} are"
    # a person copies what is missing from where it still is, but for the table's log, and has it looked at
    for folder in _FOLDERS:
        shutil.copytree(
            newest / folder, stage.world.lake / folder, ignore=shutil.ignore_patterns("_delta_log"), dirs_exist_ok=True
        )
    with stage.world.connect() as connection:
        connection.execute("update archival.job set verified_at = null where job_id in (select job_id from archival.finding)")
    assert stage.host.invoke("verify_archives").succeeded
    assert _missing(stage) == set(), "what was brought back is still said to be missing"
    for copy in (before_archives, before_removals, newest):
        shutil.rmtree(copy, ignore_errors=True)


def _copied(stage: Stage, name: str) -> Path:
    """The lake as it is now, beside it."""
    copy = stage.world.lake.parent.with_name(f"{stage.world.lake.name} {name}")
    if stage.world.lake.exists():
        shutil.copytree(stage.world.lake, copy)
    else:
        copy.mkdir()
    return copy


def _put(stage: Stage, copy: Path) -> None:
    shutil.rmtree(stage.world.lake)
    shutil.copytree(copy, stage.world.lake)


def _lose(stage: Stage, *chunks: str) -> None:
    """What came last has not arrived in the second region: the marker, and archives."""
    (stage.world.lake / _MARKER).unlink()
    for chunk in chunks:
        shutil.rmtree(stage.world.lake / _FOLDERS[0] / f"{SCHEMA}.{chunk}_r0")


def _missing(stage: Stage) -> set[str]:
    with stage.world.connect() as connection:
        query = "select distinct j.chunk from archival.finding f join archival.job j using (job_id) where f.problem = 'missing'"
        return {row["chunk"].rpartition(".")[2] for row in connection.execute(query.encode())}


SCENARIOS: list[Callable[[Stage], None]] = [
    partial(_back, what) for what in ("before the archives", "the second region", "before the removals")
]
