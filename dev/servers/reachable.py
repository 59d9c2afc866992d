"""Where a server's user can go. PostgreSQL refuses to run as root, and only root may be able to enter the checkout's folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.servers.processes import ServerError


def is_reachable(path: Path) -> bool:
    """Whether any user may enter the folder `path`, and every folder above it."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.resolve().parents))


def stand_in(folder: Path) -> Path:
    """A folder that any user may enter, in place of `folder`, which keeps a link to it.

    The name is new each time: a predictable one could be taken by somebody else, or hold what an earlier `folder` left behind.
    """
    link = folder / "stand-in"
    if not link.is_dir():
        made = Path(tempfile.mkdtemp(prefix="archival-", dir=_open_folder()))
        made.chmod(0o755)
        link.unlink(missing_ok=True)
        link.symlink_to(made)
    return link.resolve()


def readable_copy(package: Path, libraries: Path, version: str) -> Path:
    """A copy of an installed `package` and of the `libraries` beside it that any user may read; made once and then kept.

    Whoever comes at the same time waits, and whoever comes after a run that was killed half-way makes the copy anew.
    """
    key = hashlib.sha256(f"{package.resolve()} {version}".encode()).hexdigest()[:16]
    room = _open_folder() / f"archival-{os.geteuid()}-{key}"
    room.mkdir(exist_ok=True)
    found = room.lstat()
    if room.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ServerError(f"{room} is not this user's own: remove it, or set TMPDIR to another folder that all users may enter")
    room.chmod(0o755)
    copy = room / "complete"
    with _alone(room / "lock"):
        if not copy.exists():
            unfinished = room / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            for folder in (package, libraries):
                shutil.copytree(folder, unfinished / folder.name, symlinks=True)
            _open_to_all(unfinished)
            unfinished.rename(copy)
    return copy / package.name


def _open_folder() -> Path:
    for folder in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108  names in it are checked or new
        if folder.is_dir() and is_reachable(folder):
            return folder
    raise ServerError("no folder for temporary files can be entered by all users: set TMPDIR to one that can")


def _open_to_all(top: Path) -> None:
    """Whoever installed the package may have kept its files to themselves (umask)."""
    for path in (top, *top.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
