"""What is in the package: the app's own files, and wheels for Linux on x86-64 with Python 3.13."""

from __future__ import annotations

import compileall
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

#: The app itself; `.funcignore` leaves the same.
OWN = ("archival_core", "function_app.py", "host.json", "requirements.txt")
#: Where the functions host looks for packages.
PACKAGES = Path(".python_packages/lib/site-packages")
#: What the wheels may ask of the C library. The functions host's image for Python 3.13 is Debian 12, which has 2.36.
GLIBC = (2, 28)
_SINCE = re.compile(rb"GLIBC_(\d+)\.(\d+)")
_EPOCH = (1980, 1, 1, 0, 0, 0)


class PackageError(RuntimeError):
    """The package cannot be made; the message says what to change."""


def copy_app(project: Path, folder: Path) -> None:
    """Copy the app's own files, without what Python has left among them."""
    folder.mkdir(parents=True)
    for name in OWN:
        source = project / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)


def install(requirements: Path, folder: Path) -> None:
    """Install the locked packages as wheels for the cloud, whatever this machine is; their digests are checked.

    Raises `PackageError` for a package that has no such wheel.
    """
    glibc = "_".join(map(str, GLIBC))
    options = ["--python-platform", f"x86_64-manylinux_{glibc}", "--python-version", "3.13", "--only-binary", ":all:"]
    command: list[str | Path] = [
        Path(sys.prefix) / "bin" / "uv",
        "pip",
        "install",
        "--quiet",
        "--target",
        folder / PACKAGES,
        *options,
    ]
    done = subprocess.run([*command, "--require-hashes", "-r", requirements], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"a package has no wheel for CPython 3.13 on manylinux_{glibc}:\n{done.stderr[-1500:]}")


def compile_modules(folder: Path) -> None:
    """Compile every module: the package is read-only in the cloud, where each new instance would compile them anew."""
    compileall.compile_dir(
        folder, quiet=2, stripdir=str(folder), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


def glibc_floor(folder: Path) -> tuple[int, int]:
    """The newest version of glibc's symbols that a shared library asks for."""
    libraries = (file for file in folder.rglob("*") if ".so" in file.suffixes and file.is_file())
    versions = {(int(major), int(minor)) for file in libraries for major, minor in _SINCE.findall(file.read_bytes())}
    return max(versions, default=(2, 0))


def zipped(folder: Path, target: Path) -> None:
    """Write the folder as a zip; the same files make the same bytes."""
    with ZipFile(target, "w", ZIP_DEFLATED, compresslevel=6) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = ZipInfo(str(file.relative_to(folder)), _EPOCH)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = (0o100755 if file.stat().st_mode & 0o100 else 0o100644) << 16
            archive.writestr(entry, file.read_bytes())
