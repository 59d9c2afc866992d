"""`python -m dev.package`: make the zip, and refuse to leave one that would not start."""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from pathlib import Path

from dev.package import contents, trial
from dev.package.contents import GLIBC, PackageError

_ROOT = Path(__file__).parents[2]


def main() -> None:
    """Read the command line and make it."""
    parser = argparse.ArgumentParser(prog="python -m dev.package", description="the app and its packages as one zip")
    parser.add_argument("--folder", type=Path, default=_ROOT / ".local/package", help="what is zipped stays there, unpacked")
    arguments = parser.parse_args()
    try:
        make(arguments.folder.resolve())
    except PackageError as error:
        sys.exit(str(error))


def make(folder: Path) -> Path:
    """Make `<folder>.zip`; raises `PackageError`."""
    archive = folder.with_suffix(".zip")
    archive.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    contents.copy_app(_ROOT, folder)
    contents.install(_ROOT / "requirements.txt", folder)
    floor = contents.glibc_floor(folder)
    if floor > GLIBC:
        raise PackageError(f"a library asks for glibc {floor[0]}.{floor[1]}; the cloud may have {GLIBC[0]}.{GLIBC[1]}")
    contents.compile_modules(folder)
    started = "not started: this machine is not the cloud's kind"
    if (platform.system(), platform.machine(), sys.version_info[:2]) == ("Linux", "x86_64", (3, 13)):
        found = trial.index(folder)
        started = f"{len(found.functions)} functions indexed in {found.seconds:.2f} s"
    contents.zipped(folder, archive)
    sizes = archive.stat().st_size, sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    packed, unpacked = (f"{size / 1e6:.0f} MB" for size in sizes)
    print(f"{archive}: {packed}, {unpacked} unpacked, glibc {floor[0]}.{floor[1]}; {started}")
    return archive


if __name__ == "__main__":
    main()
