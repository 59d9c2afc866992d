"""Files of archives for DuckDB's own reader of Parquet.

DuckDB opens a file by a name. The names begin with a protocol that is made up for each question, so that no statement can
spell one, and each of them stands for one file that the question needs. Nothing else is there below the protocol, and nothing
can be written there.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from fsspec import AbstractFileSystem

from archival_core.errors import TransientError
from archival_core.query.archives.archive import Archive, ArchivedFile
from archival_core.query.scans.archived_rows import LakeFiles
from archival_core.query.scans.callers import Callers
from archival_core.query.scans.scans import QuestionReads
from archival_core.query.scans.unreadable import lake_errors

#: The end of a file has its footer, which is asked for twice. A small file comes whole: a second request would take longer.
_END_BYTES: Final = 64 * 1024
_SMALL_BYTES: Final = 1024 * 1024
#: A request to the lake takes longer than so many bytes: what stands behind a smaller piece comes with it.
_PIECE_BYTES: Final = 256 * 1024
#: A row group is smaller, unless it has a value that is larger. On its way to DuckDB a piece is in memory three times.
_LARGEST_PIECE: Final = 32 * 1024 * 1024
#: Files whose ends are fetched while DuckDB reads the one before.
_AHEAD: Final = 4
#: Seconds: where an end comes sooner, to fetch it in another thread takes longer than to wait for it, and to fetch bytes that
#: nobody needs takes longer than a second request.
_NEAR_SECONDS: Final = 0.001
#: Files that are kept open for DuckDB's next look at them, and those ahead.
_KEPT: Final = 16
#: Files of archives never change.
_MODIFIED: Final = datetime(2000, 1, 1, tzinfo=UTC)


class QuestionFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system that has the files which one question may read. Threads of DuckDB call it, several at a time."""

    cachable = False

    def __init__(self, lake: Callable[[], LakeFiles], reading: QuestionReads) -> None:
        super().__init__()
        self.protocol = f"archived{secrets.token_hex(16)}"
        self._lake, self._reading = lake, reading
        self._named: dict[str, tuple[Archive, ArchivedFile]] = {}
        #: by name, those of the files that DuckDB reads after it
        self._next: dict[str, Sequence[str]] = {}
        self._open: OrderedDict[str, Future[_LakeFile]] = OrderedDict()
        #: by name, those that DuckDB has looked at: it asks for a file's size several times
        self._asked_for: set[str] = set()
        self._callers, self._lock = Callers(), threading.Lock()
        self._threads = ThreadPoolExecutor(_AHEAD, "lake files")

    @property
    def folder(self) -> str:
        """What the names of all its files begin with."""
        return f"{self.protocol}://"

    def named(self, files: Sequence[tuple[Archive, ArchivedFile]]) -> list[str]:
        """The names under which DuckDB opens the files, one after the other."""
        names = [f"{self.folder}{number}" for number in range(len(self._named), len(self._named) + len(files))]
        self._named |= dict(zip(names, files, strict=True))
        self._next |= {name: names[place : place + _AHEAD] for place, name in enumerate(names, 1)}
        return names

    def close(self) -> None:
        """Nothing is fetched any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def plainly(self, said: str) -> str:
        """What DuckDB says, with the names that files have in the lake."""
        for name in sorted(self._named, key=len, reverse=True):
            said = said.replace(name, self._named[name][1].path)
        return said

    def open(self, path: str, mode: str = "rb", **_: Any) -> _Opened:
        """Called by DuckDB for each look at a file. Raises `ArchivalError`, which the question's reads keep."""
        if mode != "rb" or path not in self._named:
            raise PermissionError("a question opens its own files alone, to read them")
        self._callers.keep()
        with self._reading.keeping_failure():
            return _Opened(self._opened(path), self._reading)

    def _opened(self, name: str) -> _LakeFile:
        is_near = self._lake().is_near
        opening = self._begun(name, is_near)
        if name not in self._asked_for:
            self._asked_for.add(name)
            self._count(*self._named[name])
            for following in () if is_near else self._next[name]:
                self._begun(following, is_near)
        return opening.result()

    def _count(self, archive: Archive, file: ArchivedFile) -> None:
        with self._reading.lock:
            self._reading.archives_read.add(archive.lake_path)
            if file.path not in self._reading.files_read:
                self._reading.files_read.add(file.path)
                self._reading.bytes_read += file.bytes

    def _begun(self, name: str, is_near: bool) -> Future[_LakeFile]:
        fetched_here: Future[_LakeFile] | None = None
        with self._lock:
            opening = self._open.get(name)
            if opening is None:
                fetched_here = Future() if is_near else None
                opening = self._open[name] = fetched_here or self._threads.submit(self._fetched, name)
                if len(self._open) > _KEPT:
                    self._open.popitem(last=False)
            self._open.move_to_end(name)
        if fetched_here is not None:
            try:
                fetched_here.set_result(self._fetched(name))
            except BaseException as error:
                fetched_here.set_exception(error)
        return opening

    def _fetched(self, name: str) -> _LakeFile:
        begun = time.perf_counter()
        lake = self._lake()
        with lake_errors():
            file = lake.files.open_input_file(f"{lake.root}/{self._named[name][1].path}")
            found = _LakeFile(file, lake.is_near)
        lake.is_near = time.perf_counter() - begun < _NEAR_SECONDS
        return found

    def glob(self, path: str, **_: Any) -> list[str]:
        """The file of this name, which is no pattern."""
        return [path] if path in self._named else []

    def exists(self, path: str, **_: Any) -> bool:
        """Whether the question may read it."""
        return path in self._named

    def isfile(self, path: str) -> bool:
        """Everything that is there is a file."""
        return path in self._named

    def size(self, path: str) -> int:
        """Bytes of a file that has been opened."""
        return self._opened(path).size

    def modified(self, path: str) -> datetime:
        """The same moment at every look."""
        return _MODIFIED


class _LakeFile:
    """A file of the lake, for several readers."""

    def __init__(self, file: Any, is_near: bool) -> None:
        self._file = file
        self.size: int = file.size()
        #: least bytes of a request
        self._least = 0 if is_near else _PIECE_BYTES
        #: offset and content of what is kept: the end, and the last small pieces
        begin = 0 if self.size <= (_END_BYTES if is_near else _SMALL_BYTES) else self.size - _END_BYTES
        self._end: tuple[int, bytes] = begin, file.read_at(self.size - begin, begin)
        self._pieces: deque[tuple[int, bytes]] = deque(maxlen=2)

    def read(self, offset: int, size: int) -> bytes:
        for begin, content in (self._end, *self._pieces):
            if begin <= offset and offset + size <= begin + len(content):
                return content[offset - begin : offset - begin + size]
        found: bytes = self._file.read_at(max(size, self._least), offset)
        if len(found) > size:
            self._pieces.append((offset, found))
        return found[:size]


class _Opened:
    """A file as DuckDB has opened it, with a place of its own."""

    def __init__(self, file: _LakeFile, reading: QuestionReads) -> None:
        self._file, self._reading = file, reading
        self._offset = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._offset = offset + (0, self._offset, self._file.size)[whence]
        return self._offset

    def tell(self) -> int:
        return self._offset

    def read(self, size: int = -1) -> bytes:
        wanted = self._file.size - self._offset if size < 0 else size
        with self._reading.keeping_failure(), lake_errors():
            if wanted > _LARGEST_PIECE:
                raise TransientError("archived values are too large for DuckDB's own reader", code="large-values")
            found = self._file.read(self._offset, wanted)
        self._offset += len(found)
        return found

    def close(self) -> None:
        """The file itself stays open for the next reader."""
