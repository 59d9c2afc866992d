"""A file of an answer is looked at before anything is asked, and is there only when it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from archival_cli.__main__ import main
from archival_cli.commands.questions.files import written
from archival_cli.errors import MISUSED, REFUSED, CommandError
from tests.unit.archival_cli.test_patience import a_service

TABLES: Any = {
    "hypertables": [
        {"hypertable": "public.readings", "time_column": "time", "time_type": "timestamp with time zone"},
        {"hypertable": "public.counts", "time_column": "number", "time_type": "bigint"},
    ]
}


def _names(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir())


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("before")
    file.chmod(0o640)
    with written(file) as new:
        new.write(b"af")
        new.write(b"ter")
        assert file.read_text() == "before"
    assert (file.read_text(), new.bytes, oct(file.stat().st_mode)[-3:]) == ("after", 5, "640")
    assert _names(tmp_path) == ["rows.csv"]


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt(), CommandError("refused", REFUSED)])
def test_what_was_there_is_kept_when_the_answer_does_not_come(tmp_path: Path, ended_by: BaseException) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("before")
    with pytest.raises(type(ended_by)), written(file) as new:
        new.write(b"half")
        raise ended_by
    assert file.read_text() == "before"
    with pytest.raises(type(ended_by)), written(tmp_path / "other.csv"):
        raise ended_by
    assert _names(tmp_path) == ["rows.csv"]


def test_a_link_stays_and_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "rows.csv").symlink_to(tmp_path / "there" / "rows.csv")
    with written(tmp_path / "rows.csv") as new:
        new.write(b"rows")
    assert (tmp_path / "rows.csv").is_symlink()
    assert (tmp_path / "there" / "rows.csv").read_text() == "rows"


def test_a_device_is_written_to_and_what_it_says_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").symlink_to("/dev/null")
    with written(tmp_path / "rows.csv") as new:
        new.write(b"rows")
    assert not Path("/dev/null").is_file()
    (tmp_path / "full.csv").symlink_to("/dev/full")
    with (
        pytest.raises(CommandError, match=r"full\.csv cannot be written: No space left on device"),
        written(tmp_path / "full.csv") as new,
    ):
        new.write(b"rows")


@pytest.mark.parametrize("command", ["sql", "export"])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere/rows.csv", "there is no folder"),
        ("file/rows.csv", "cannot be written: Not a directory"),
        ("folder.csv", "is a directory"),
        ("new.csv/", "is a folder: name a file in it"),
        ("closed/rows.csv", "cannot be written: Permission denied"),
        ("kept.csv", "is not writable"),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_anything_is_asked(
    tmp_path: Path, command: str, name: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "closed").mkdir(mode=0o500)
    (tmp_path / "kept.csv").touch(mode=0o400)
    if name in ("closed/rows.csv", "kept.csv") and os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("root may write anywhere")
    asked: list[str] = []

    def answer(path: str) -> tuple[int, Any]:
        asked.append(path)
        return 200, TABLES

    file = f"{tmp_path}/{name}"
    with a_service(answer) as url:
        monkeypatch.setenv("ARCHIVAL_API_URL", url)
        arguments = ["sql", "select 1", "--file", file] if command == "sql" else ["export", "public.readings", file]
        assert main(arguments) == MISUSED
    assert told in capsys.readouterr().err
    assert not [path for path in asked if path.startswith("queries")]
    assert _names(tmp_path) == ["closed", "file", "folder.csv", "kept.csv"]


@pytest.mark.parametrize(
    ("table", "bounds", "told"),
    [
        ("readings", ("--from", "2026-01-02", "--to", "2026-01-01"), "--from has to be earlier than --to"),
        ("readings", ("--from", "2026-01-02 01:00+01:00", "--to", "2026-01-02"), "--from has to be earlier than --to"),
        ("readings", ("--from", "2026-01-02 00:00:00.5", "--to", "2026-01-02"), "--from has to be earlier than --to"),
        ("counts", ("--from", "10", "--to", "9"), "--from has to be earlier than --to"),
        ("readings", ("--from", "5", "--to", "2026-01-02"), "write two of a kind"),
        ("readings", ("--from", "5"), "--from 5 is no time, and the table is by timestamp with time zone"),
        ("counts", ("--to", "2026-01-02"), "--to 2026-01-02T00:00:00Z is a time, and the table is by integer time"),
        ("readings", ("--as-text", "TIME"), "rows are chosen and put in order by it"),
    ],
)
def test_an_export_of_no_range_is_refused_before_anything_is_asked(
    tmp_path: Path,
    table: str,
    bounds: tuple[str, ...],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []

    def answer(path: str) -> tuple[int, Any]:
        asked.append(path)
        return 200, TABLES

    with a_service(answer) as url:
        monkeypatch.setenv("ARCHIVAL_API_URL", url)
        assert main(["export", f"public.{table}", str(tmp_path / "rows.csv"), *bounds]) == MISUSED
    assert told in " ".join(capsys.readouterr().err.split())
    assert set(asked) <= {"hypertables"}
    assert _names(tmp_path) == []
