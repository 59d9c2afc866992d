"""The package that is published without a build."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile

import pytest

from dev.package import contents, trial
from dev.package.__main__ import make
from dev.package.contents import PackageError

ROOT = Path(__file__).parents[3]


def test_it_has_what_is_published_otherwise(tmp_path: Path) -> None:
    """`func` publishes what .funcignore leaves of the checkout."""
    ignored = [line for line in (ROOT / ".funcignore").read_text().splitlines() if line and not line.startswith("#")]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    published = {path for path in tracked if not any(fnmatch(path.split("/")[0], pattern) for pattern in ignored)}
    contents.copy_app(ROOT, tmp_path / "app")
    copied = {str(file.relative_to(tmp_path / "app")) for file in (tmp_path / "app").rglob("*") if file.is_file()}
    assert published
    assert published <= copied, "git knows of more"
    assert {path for path in copied - published if not (ROOT / path).exists()} == set()


def test_the_floor_is_the_newest_symbol_of_all_libraries(tmp_path: Path) -> None:
    (tmp_path / "a.so").write_bytes(b"\x7fELF..GLIBC_2.4\0GLIBC_2.17\0")
    (tmp_path / "libb.so.1").write_bytes(b"\x7fELF..GLIBC_2.9\0GLIBC_2.34\0")
    (tmp_path / "c.txt").write_bytes(b"GLIBC_2.99")
    assert contents.glibc_floor(tmp_path) == (2, 34)


def test_the_same_files_make_the_same_zip(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "b/c.py").write_text("x = 1")
    (folder / "a.sh").write_text("true")
    (folder / "a.sh").chmod(0o755)
    contents.compile_modules(folder)
    contents.zipped(folder, tmp_path / "one.zip")
    (folder / "a.sh").touch()
    contents.zipped(folder, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["a.sh", "b/__pycache__/c.cpython-313.pyc", "b/c.py"]
        assert archive.getinfo("a.sh").external_attr >> 16 == 0o100755


def test_a_package_without_a_wheel_is_named(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"docopt==0.6.2 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(PackageError, match="docopt"):
        contents.install(requirements, tmp_path / "folder")


def test_an_app_that_does_not_start_is_told(tmp_path: Path) -> None:
    contents.copy_app(ROOT, tmp_path / "app")
    with pytest.raises(PackageError, match="azure_functions_runtime"):
        trial.index(tmp_path / "app")


@pytest.mark.by_hand  # downloads a hundred megabytes
def test_the_package_starts_with_nothing_but_itself(tmp_path: Path) -> None:
    archive = make(tmp_path / "package")
    assert archive.stat().st_size < 250e6
    with ZipFile(archive) as packed:
        packed.extractall(tmp_path / "unpacked")
    # the first reads everything from the disk
    found = min((trial.index(tmp_path / "unpacked") for _ in range(2)), key=lambda index: index.seconds)
    assert {"archive_chunk", "reconcile", "management"} <= set(found.functions)
    assert found.seconds < 1.0
    assert contents.glibc_floor(tmp_path / "unpacked") <= contents.GLIBC
