"""The embedded servers' surroundings: ports, and files that another user may read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dev.servers import reachable
from dev.servers.processes import ServerError, free_port

_COPY = """
import sys
from collections.abc import Iterator
from pathlib import Path
from dev.servers.reachable import readable_copy
print(readable_copy(Path(sys.argv[1]), Path(sys.argv[2]), "1"))
"""
_PORT = """
from dev.servers.processes import free_port
print(*(free_port() for _ in range(200)), flush=True)
input()
"""


@pytest.fixture
def open_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that every user may enter."""
    # `tmp_path` has its place already, and keeps it
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr("tempfile.tempdir", None)
        yield Path(folder)


@pytest.fixture
def package(tmp_path: Path) -> tuple[Path, Path]:
    """An installed package whose files only their owner may read, and its libraries."""
    package, libraries = tmp_path / "package", tmp_path / "package.libs"
    (package / "bin").mkdir(parents=True)
    libraries.mkdir()
    for number in range(300):
        (package / "bin" / f"program-{number}").write_bytes(os.urandom(20_000))
    (package / "bin" / "program-0").chmod(0o700)
    (package / "bin" / "link").symlink_to("program-0")
    (libraries / "library.so").write_text("library")
    for folder in (tmp_path, package, package / "bin", libraries):
        folder.chmod(0o700)
    return package, libraries


def test_several_processes_that_copy_at_the_same_time_have_one_whole_copy(
    open_folder: Path, package: tuple[Path, Path]
) -> None:
    started = [subprocess.Popen([sys.executable, "-c", _COPY, *package], stdout=subprocess.PIPE) for _ in range(4)]
    [copy] = {process.communicate(timeout=60)[0].decode().strip() for process in started}
    assert [process.returncode for process in started] == [0] * 4
    originals = {file.relative_to(package[0].parent): file.read_bytes() for file in package[0].rglob("*") if file.is_file()}
    copies = {file.relative_to(Path(copy).parent): file.read_bytes() for file in Path(copy).rglob("*") if file.is_file()}
    assert copies == originals
    assert (Path(copy).with_name("package.libs") / "library.so").read_text() == "library"
    everything = [path for path in Path(copy).parent.rglob("*") if not path.is_symlink()]
    assert all(path.stat().st_mode & (0o005 if path.is_dir() else 0o004) for path in everything)
    assert (Path(copy) / "bin/program-0").stat().st_mode & 0o001
    assert reachable.is_reachable(Path(copy) / "bin")


def test_a_copy_that_was_cut_short_is_made_anew(open_folder: Path, package: tuple[Path, Path]) -> None:
    copy = reachable.readable_copy(*package, "1")
    unfinished = copy.parent.with_name("unfinished")
    copy.parent.rename(unfinished)
    (unfinished / "package/bin/program-7").unlink()
    assert (reachable.readable_copy(*package, "1") / "bin/program-7").exists()


def test_another_version_has_another_copy(open_folder: Path, package: tuple[Path, Path]) -> None:
    assert reachable.readable_copy(*package, "1") != reachable.readable_copy(*package, "2")


def test_a_folder_that_others_may_write_to_is_refused(open_folder: Path, package: tuple[Path, Path]) -> None:
    copy = reachable.readable_copy(*package, "1")
    copy.parent.parent.chmod(0o777)
    with pytest.raises(ServerError, match="remove it"):
        reachable.readable_copy(*package, "1")


def test_a_stand_in_is_found_again_and_never_inherited(open_folder: Path, tmp_path: Path) -> None:
    first = reachable.stand_in(tmp_path)
    assert reachable.stand_in(tmp_path) == first
    assert reachable.is_reachable(first)
    (tmp_path / "stand-in").unlink()
    assert reachable.stand_in(tmp_path) != first
    first.rmdir()


def test_no_port_is_given_out_twice() -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", _PORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    given = [free_port() for _ in range(200)]
    for process in started:
        assert process.stdout is not None
        given += map(int, process.stdout.readline().split())
    for process in started:
        process.communicate("\n")
    assert len(given) == len(set(given)) == 800
