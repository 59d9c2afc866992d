"""Applies mutations to a copy of the project and runs the tests that have to notice; the checkout is never touched."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from xml.etree import ElementTree

from tests.mutants.mutation import Mutation

ROOT = Path(__file__).parents[2]
#: what is not copied: version control, environments, caches
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".local", "__pycache__", ".*_cache", ".hypothesis", "node_modules")
_PATIENCE_SECONDS = 900
_NUMBERS = itertools.count(1)

#: `unclear`: the tests could not be run, or errors of their surroundings hide what they would have said
Verdict = Literal["killed", "survived", "unclear"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of tests said."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    #: tests whose surroundings failed, or what kept pytest from running
    errors: tuple[str, ...]
    output: str

    @property
    def verdict(self) -> Verdict:
        """Of a mutation whose tests these are."""
        if self.failed:
            return "killed"
        return "survived" if self.passed and not self.errors else "unclear"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the project, for one run at a time."""

    root: Path

    def run(self, tests: Sequence[str], mutation: Mutation | None = None, *, until_one_fails: bool = True) -> Outcome:
        """What `tests` (node ids below `tests/`) say, with the mutation if there is one."""
        if mutation is None:
            return self._pytest(tests, until_one_fails)
        file = self.root / "archival_core" / mutation.file
        original, times = file.read_text(), file.stat()
        file.write_text(mutation.apply(original))
        # bytecode is known by the time of its source: each mutation has one of its own, and the original has its own again
        os.utime(file, (times.st_atime, times.st_mtime + 10 * next(_NUMBERS)))
        try:
            return self._pytest(tests, until_one_fails)
        finally:
            file.write_text(original)
            os.utime(file, (times.st_atime, times.st_mtime))

    def _pytest(self, tests: Sequence[str], until_one_fails: bool) -> Outcome:
        report = self.root / "report.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command += ["--exitfirst"] if until_one_fails else []
        try:
            done = subprocess.run(
                [*command, *(f"tests/{test}" for test in tests)],
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome((), (), (f"no end within {_PATIENCE_SECONDS} s",), "")
        output = done.stdout + done.stderr
        if not report.exists():
            return Outcome((), (), ("pytest has written no report",), output)
        return _read(report, output)


@contextmanager
def copied() -> Iterator[Copy]:
    """A copy of the project, which is gone at the end."""
    with TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder) / "project"
        shutil.copytree(ROOT, root, ignore=_LEFT_OUT)
        (root / ".local").mkdir()
        # what npm has installed once need not come again
        (ROOT / ".local" / "npm").mkdir(parents=True, exist_ok=True)
        (root / ".local" / "npm").symlink_to(ROOT / ".local" / "npm")
        yield Copy(root)


def _read(report: Path, output: str) -> Outcome:
    names: dict[str, list[str]] = {"passed": [], "failure": [], "error": [], "skipped": []}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  pytest wrote it
        said = {child.tag for child in case} & names.keys()
        kind = next((kind for kind in ("error", "failure", "skipped") if kind in said), "passed")
        names[kind].append(f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}".removeprefix("tests/"))
    return Outcome(tuple(names["passed"]), tuple(names["failure"]), tuple(names["error"]), output)
