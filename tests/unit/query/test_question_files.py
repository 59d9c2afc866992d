"""DuckDB's own reader of Parquet reaches the files of its question, and nothing else."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.fs as fs
import pyarrow.parquet as pq
import pytest

from archival_core.errors import PermanentError
from archival_core.query.archives.archive import Archive, ArchivedFile
from archival_core.query.engine.own_reader import by_own_reader, read_parquet
from archival_core.query.engine.readings import Reading
from archival_core.query.engine.sandbox import _is_of_a_file
from archival_core.query.scans import question_files
from archival_core.query.scans.archived_rows import Forms, LakeFiles
from archival_core.query.scans.predicate import Comparison
from archival_core.query.scans.pruning import may_hold
from archival_core.query.scans.question_files import QuestionFiles
from archival_core.query.scans.scans import QuestionReads

SCHEMA = pa.schema([("seq", pa.int64()), ("value", pa.float64()), ("name", pa.string())])
ROWS = 20_000


def _archive(lake: Path, number: int) -> tuple[Archive, ArchivedFile]:
    folder = f"tables/t/chunk{number}"
    (lake / folder).mkdir(parents=True)
    begin = number * ROWS
    table = pa.table(
        {
            "seq": pa.array(range(begin, begin + ROWS), pa.int64()),
            "value": pa.array([n * 0.37 for n in range(ROWS)]),
            "name": pa.array([f"name {n}" for n in range(ROWS)]),
        }
    )
    path = lake / folder / "part-00000.parquet"
    pq.write_table(table, path, row_group_size=5_000)
    file = ArchivedFile(f"{folder}/part-00000.parquet", ROWS, path.stat().st_size, begin, begin + ROWS - 1)
    return Archive(folder, f"t.chunk{number}", "seq", (), (file,), True, "1", {}), file


class _Question:
    """A DuckDB as a question has it, before its settings are locked."""

    def __init__(self, lake: Path, files: type[QuestionFiles] = QuestionFiles) -> None:
        self.reading = QuestionReads()
        self.lake = LakeFiles(fs.LocalFileSystem(), str(lake))
        self.files = files(lambda: self.lake, self.reading)
        self.connection: Any = duckdb.connect()
        self.connection.register_filesystem(self.files)
        self.connection.execute(f"SET allowed_directories = ['{self.files.folder}']; SET enable_external_access = false")

    def view(self, *archives: tuple[Archive, ArchivedFile]) -> None:
        names = self.files.named(archives)
        self.connection.execute(f"CREATE VIEW t AS SELECT seq, value, name FROM {read_parquet(names, SCHEMA)}")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def test_rows_are_read_and_counted_and_no_file_before_it_is_needed(lake: Path) -> None:
    archives = [_archive(lake, number) for number in range(3)]
    question = _Question(lake)
    question.view(*archives)
    question.connection.execute("DESCRIBE t")
    assert question.reading.files_read == set()
    found = question.connection.execute("SELECT count(*), min(seq), max(seq), sum(value), max(name) FROM t").fetchall()
    assert found == [(3 * ROWS, 0, 3 * ROWS - 1, pytest.approx(3 * 0.37 * ROWS * (ROWS - 1) / 2), "name 9999")]
    assert question.reading.archives_read == {archive.lake_path for archive, _ in archives}
    assert question.reading.bytes_read == sum(file.bytes for _, file in archives)
    # a second look at the same files is none for the count
    question.connection.execute("SELECT max(value) FROM t WHERE seq < 10").fetchall()
    assert question.reading.bytes_read == sum(file.bytes for _, file in archives)


class _Told(QuestionFiles):
    """Notes how often each thread has called, in what Python keeps of the thread."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.here = threading.local()
        self.calls: dict[int, int] = {}
        self.opened: list[str] = []

    def open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        opened = super().open(path, mode, **more)
        self.opened.append(path)
        self.here.calls = getattr(self.here, "calls", 0) + 1
        self.calls[threading.get_ident()] = self.here.calls
        return opened


def test_python_keeps_its_state_of_a_thread_of_duckdb_s(lake: Path) -> None:
    question = _Question(lake, _Told)
    question.connection.execute("SET threads = 2")
    question.view(*[_archive(lake, number) for number in range(12)])
    assert question.connection.execute("SELECT count(distinct value) FROM t").fetchall() == [(ROWS,)]
    files = question.files
    assert isinstance(files, _Told)
    # without the state a thread that is not Python's has called once, each time
    assert sum(files.calls.values()) == len(files.opened)
    question.connection.close()


class _Counted:
    """A lake that counts requests."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.read: list[tuple[int, int]] = []

    def open_input_file(self, path: str) -> _Counted:
        self.opened.append(path)
        self._file = fs.LocalFileSystem().open_input_file(path)
        return self

    def size(self) -> int:
        return int(self._file.size())

    def read_at(self, size: int, offset: int) -> bytes:
        self.read.append((offset, size))
        found: bytes = self._file.read_at(size, offset)
        return found


def test_a_large_file_is_read_in_few_requests_and_a_small_one_in_one(tmp_path: Path) -> None:
    dice = random.Random(1)
    table = pa.table(
        {
            "seq": pa.array(range(200_000), pa.int64()),
            "value": pa.array([dice.random() for _ in range(200_000)]),
            "name": pa.array(["x"] * 200_000),
        }
    )
    for rows, gets in ((200_000, 5), (20_000, 1)):
        path = tmp_path / f"{rows}.parquet"
        pq.write_table(table.slice(0, rows), path, row_group_size=100_000)
        lake, reading = _Counted(), QuestionReads()
        files = QuestionFiles(partial(LakeFiles, lake, str(tmp_path)), reading)
        archive = Archive("a", "t.a", "seq", (), (), True, "1", {})
        names = files.named([(archive, ArchivedFile(path.name, rows, path.stat().st_size, None, None))])
        with duckdb.connect() as connection:
            connection.register_filesystem(files)
            connection.execute(f"CREATE VIEW t AS SELECT * FROM {read_parquet(names, SCHEMA)}")
            found = connection.execute("SELECT count(*), sum(seq), sum(value), max(name) FROM t WHERE seq >= 0").fetchall()
        assert found == [(rows, sum(range(rows)), pytest.approx(sum(table["value"][:rows].to_pylist())), "x")]
        assert lake.opened == [str(path)]
        assert len(lake.read) <= gets, lake.read


def test_files_ahead_are_fetched_while_one_is_read(lake: Path) -> None:
    archives = [_archive(lake, number) for number in range(12)]
    question = _Question(lake)
    names = question.files.named(archives)
    question.files.open(names[0])
    assert len(question.files._open) == 5
    question.lake.is_near = True
    question.files.open(names[4])
    assert len(question.files._open) == 5
    for name in names:
        assert question.files.open(name).read(4) == b"PAR1"
    # those that were looked at long ago are let go, and counted once
    question.files.open(names[0])
    assert len(question.files._open) <= 16
    assert len(question.reading.files_read) == 12
    assert question.reading.bytes_read == sum(file.bytes for _, file in archives)
    question.files.close()


def test_how_soon_a_file_came_says_whether_others_are_fetched_ahead(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    question = _Question(lake)
    names = question.files.named([_archive(lake, number) for number in range(8)])
    for seconds, ahead in ((0.0, 1 + 4), (60.0, 2 + 4)):
        monkeypatch.setattr(question_files, "_NEAR_SECONDS", seconds)
        question.files.open(names[1 if seconds else 0]).read(4)
        assert len(question.files._open) == ahead
    while not all(opening.done() for opening in question.files._open.values()):
        time.sleep(0.01)
    question.files.open(names[6])
    question.files.open(names[7])
    assert len(question.files._open) == 8
    with pytest.raises(PermissionError):
        question.files.open("nowhere")
    question.files.close()


def test_nothing_else_is_opened_or_written(lake: Path) -> None:
    _archive(lake, 0)
    other = lake / "tables/t/chunk0/part-00000.parquet"
    question = _Question(lake)
    question.view(_archive(lake, 1))
    for path in (
        str(other),
        f"{question.files.folder}1",
        f"{question.files.folder}*",
        f"{question.files.folder}{other}",
        f"{question.files.folder}../0",
        f"{question.files.folder}tables/t/chunk0/part-00000.parquet",
        "archived://0",
    ):
        for function in ("read_parquet", "read_blob", "glob"):
            with suppress(duckdb.Error):
                assert question.connection.execute(f"SELECT * FROM {function}('{path}')").fetchall() == []
        with pytest.raises(duckdb.Error):
            question.connection.execute(f"COPY (SELECT 1) TO '{path}'")
    with pytest.raises(duckdb.Error):
        question.connection.execute(f"COPY (SELECT 1) TO '{question.files.folder}0'")
    with pytest.raises(PermissionError):
        question.files.open(f"{question.files.folder}0", "wb")
    assert question.reading.files_read == set()
    assert QuestionFiles(question.files._lake, question.reading).folder != question.files.folder


def test_a_file_that_is_gone_or_damaged_is_said_so(lake: Path) -> None:
    archive, file = _archive(lake, 0)
    whole = (lake / file.path).read_bytes()

    def failed(content: bytes | None) -> tuple[_Question, Exception]:
        (lake / file.path).unlink(missing_ok=True)
        if content is not None:
            (lake / file.path).write_bytes(content)
        question = _Question(lake)
        question.view((archive, file))
        with pytest.raises(Exception) as met:
            question.connection.execute("SELECT seq, value, name FROM t").to_arrow_reader(2048).read_all()
        return question, met.value

    question, _ = failed(None)
    assert isinstance(question.reading.failure, PermanentError)
    assert question.reading.failure.code == "archive-unreadable"
    for damaged in (
        whole[:-100],
        whole[:-900] + bytes(600) + whole[-300:],
        whole[: len(whole) // 2] + b"\xfe" * 4000 + whole[len(whole) // 2 + 4000 :],
    ):
        question, error = failed(damaged)
        assert _is_of_a_file(error, question.files.folder), error
        assert question.files.protocol not in question.files.plainly(str(error))
    # what a question does wrong with rows that are right
    (lake / file.path).write_bytes(whole)
    question = _Question(lake)
    question.view((archive, file))
    for wrong in ("CAST(name AS INTEGER)", "error('IO')", "CAST(seq AS TINYINT)", "value::DECIMAL(3,2)"):
        with pytest.raises(Exception) as met:
            question.connection.execute(f"SELECT {wrong} FROM t").to_arrow_reader(2048).read_all()
        assert not _is_of_a_file(met.value, question.files.folder), met.value


def test_files_for_either_reader(lake: Path) -> None:
    plain, corrected = (ArchivedFile(f"a/{n}", 5, 9, 0, 9, ("value",) if n else ()) for n in range(2))
    archives = [
        Archive("a", "t.a", "seq", (), (plain, corrected), True, "1", {}),
        Archive("b", "t.b", "seq", (), (), True, "1", {}),
    ]
    forms, nothing = Forms(SCHEMA, SCHEMA, {}), Reading(None, frozenset())
    others, own = by_own_reader(archives, forms, "seq", nothing)
    assert ([one.files for one in others], own) == ([(corrected,)], [(archives[0], plain)])
    # a join may still find out which times it needs
    assert by_own_reader(archives, forms, "seq", Reading(None, frozenset({"BIGINT"}))) == (archives, [])
    assert by_own_reader(archives, forms, "seq", Reading(None, frozenset({"INTEGER"})))[1] == own
    assert by_own_reader(archives, forms, None, Reading(None, frozenset({"BIGINT"})))[1] == own
    # values that are made texts on the way
    as_text = Forms(SCHEMA, SCHEMA.set(1, pa.field("value", pa.string())), {})
    assert by_own_reader(archives, as_text, "seq", nothing) == (archives, [])


def test_the_range_of_a_file_decides(lake: Path) -> None:
    file = ArchivedFile("a", 5, 9, 10, 19)
    assert [may_hold(file, "seq", Comparison("seq", "=", n)) for n in (9, 10, 19, 20)] == [False, True, True, False]
    assert may_hold(file, None, Comparison("seq", "=", 9))
    assert may_hold(file, "seq", None)
    assert not may_hold(ArchivedFile("a", 0, 9, None, None), "seq", None)
    assert may_hold(ArchivedFile("a", 5, 9, None, None), "seq", Comparison("seq", "=", 9))
