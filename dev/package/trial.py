"""Does the package start? Asked of a Python that has nothing but the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dev.package.contents import PACKAGES, PackageError

_ROOT = Path(__file__).parents[2]
_TOOLS = ("croniter", "dateutil", "six")
# the worker's own library loads the app, as it does in the cloud
_INDEX = """
import asyncio, json, pathlib, sys, time
import azure_functions_runtime
from dev.functions_host import worker
started = time.perf_counter()
functions = asyncio.run(worker.index(pathlib.Path.cwd()))
seconds = time.perf_counter() - started
import archival_core
print(json.dumps({"seconds": seconds, "functions": [f.name for f in functions], "app": archival_core.__file__}))
"""


@dataclass(frozen=True, slots=True)
class Index:
    """What the worker found, and in how many seconds."""

    functions: list[str]
    seconds: float


def environment(package: Path, settings: Mapping[str, str], *, tools: Path | None = None) -> dict[str, str]:
    """For a Python without packages: those of the package, its app, and the stand-in of the functions host.

    What the stand-in needs besides, to run timers, is linked into the folder `tools`.
    """
    path = [package / PACKAGES, package, _ROOT]
    if tools is not None:
        tools.mkdir(parents=True, exist_ok=True)
        for name in _TOOLS:
            spec = find_spec(name)
            assert spec is not None
            assert spec.origin is not None
            source = Path(spec.origin) if spec.submodule_search_locations is None else Path(spec.origin).parent
            (tools / source.name).unlink(missing_ok=True)
            (tools / source.name).symlink_to(source)
        path.append(tools)
    return {"PATH": os.environ["PATH"], **settings, "PYTHONPATH": os.pathsep.join(map(str, path))}


def bare_python() -> str:
    """The interpreter of this environment, without the environment."""
    return str(getattr(sys, "_base_executable", sys.executable))


def index(package: Path) -> Index:
    """Index the app of the unpacked package; raises `PackageError` with the worker's own words."""
    sample = json.loads((_ROOT / "local.settings.sample.json").read_text())["Values"]
    done = subprocess.run(
        [bare_python(), "-c", _INDEX],
        env=environment(package, sample),
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(f"the package does not start:\n{done.stderr[-3000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if not Path(found["app"]).is_relative_to(package):
        raise PackageError(f"another copy of the app was loaded: {found['app']}")
    return Index(found["functions"], found["seconds"])
