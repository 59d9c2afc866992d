"""A hierarchical namespace on plain files.

Every change of what readers can see is one `os.rename`, `os.replace` or `os.mkdir`, made on the event loop's thread without
waiting in between: calls are atomic among each other, and a crash leaves whole files.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dev.lake_emulator.entry import Entry, Properties, TreeError, describe
from dev.lake_emulator.uncommitted import Uncommitted

_FILESYSTEM_NAME = re.compile(r"\$?[a-z0-9](?:-?[a-z0-9]){2,62}")


class Tree:
    """The filesystems below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._root.mkdir(parents=True, exist_ok=True)
        self._uncommitted = Uncommitted(self._root / ".uncommitted")
        self._properties: dict[str, Properties] = {}
        self._last_ns = 0

    def create_filesystem(self, filesystem: str) -> Entry:
        """409 if it exists."""
        if not _FILESYSTEM_NAME.fullmatch(filesystem):
            raise TreeError(400, "InvalidResourceName", "The name of the filesystem is not valid.")
        try:
            (self._root / filesystem).mkdir()
        except FileExistsError:
            raise TreeError(409, "FilesystemAlreadyExists", "The specified filesystem already exists.") from None
        return self.filesystem(filesystem)

    def delete_filesystem(self, filesystem: str) -> None:
        """404 without it."""
        self.filesystem(filesystem)
        shutil.rmtree(self._root / filesystem)
        self._forget(filesystem)

    def filesystem(self, filesystem: str) -> Entry:
        """The root directory; 404 without it."""
        folder = self._root / filesystem
        if not _FILESYSTEM_NAME.fullmatch(filesystem) or not folder.is_dir():
            raise TreeError(404, "FilesystemNotFound", "The specified filesystem does not exist.")
        return Entry("", True, 0, folder.stat().st_mtime_ns)

    def entry(self, filesystem: str, path: str) -> Entry | None:
        """What `path` names, if anything; an empty path is the filesystem's root."""
        if not path:
            return self.filesystem(filesystem)
        try:
            status = self._at(filesystem, path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return describe(path, status)

    def properties(self, filesystem: str, path: str) -> Properties:
        """What is known about a path; changing it changes the tree."""
        return self._properties.setdefault(f"{filesystem}/{path}", Properties())

    def open(self, filesystem: str, path: str) -> BinaryIO:
        """The committed content; a later commit does not disturb an open file."""
        return self._at(filesystem, path).open("rb")

    def create(self, filesystem: str, path: str, *, directory: bool) -> Entry:
        """A directory, or an empty file in place of the one before; parents are made."""
        existing = self.entry(filesystem, path)
        if existing is not None and existing.is_directory != directory:
            raise TreeError(409, "PathConflict", "The path exists as another kind of resource.")
        if directory:
            self._make_directory(self._at(filesystem, path))
            return self.touch(filesystem, path)
        return self.put(filesystem, path, b"")

    def put(self, filesystem: str, path: str, data: bytes) -> Entry:
        """A whole file in place of the one before."""
        return self._commit(filesystem, path, self._uncommitted.whole(data))

    def put_block(self, filesystem: str, path: str, block: str, data: bytes) -> None:
        """Keep a block of the blob endpoint, invisible until `put_block_list`."""
        self.filesystem(filesystem)
        self._uncommitted.put_block(f"{filesystem}/{path}", block, data)

    def put_block_list(self, filesystem: str, path: str, blocks: list[str]) -> Entry:
        """A file of these blocks in place of the one before."""
        joined = self._uncommitted.join_blocks(f"{filesystem}/{path}", blocks)
        if joined is None:
            raise TreeError(400, "InvalidBlockList", "The specified block list is invalid.")
        return self._commit(filesystem, path, joined)

    def append(self, filesystem: str, path: str, position: int, data: bytes) -> None:
        """Keep data for `position`, invisible until `flush`."""
        entry = self._file(filesystem, path)
        if position < entry.length:
            raise TreeError(400, "InvalidFlushPosition", "The position is inside the committed data.")
        committed = self._at(filesystem, path) if entry.length else None
        self._uncommitted.append(f"{filesystem}/{path}", position, data, committed)

    def flush(self, filesystem: str, path: str, position: int) -> Entry:
        """Commit what was appended, up to exactly `position`."""
        entry = self._file(filesystem, path)
        key = f"{filesystem}/{path}"
        if self._uncommitted.contiguous(key, entry.length, position) != position:
            raise TreeError(
                400,
                "InvalidFlushPosition",
                "The uploaded data is not contiguous or the position is not the length of the file with it.",
            )
        if position == entry.length:
            return entry
        return self._commit(filesystem, path, self._uncommitted.take(key, position), keep_properties=True)

    def rename(self, source: tuple[str, str], target: tuple[str, str]) -> Entry:
        """Move a file or directory, atomically; a file or an empty directory in the way is replaced."""
        moved, replaced = self.entry(*source), self.entry(*target)
        if moved is None or not source[1]:
            raise TreeError(404, "SourcePathNotFound", "The source path for a rename operation does not exist.")
        if "/".join(target).startswith("/".join(source) + "/"):
            raise TreeError(400, "InvalidDestinationPath", "A directory cannot be moved into itself.")
        old, new = self._at(*source), self._at(*target)
        if not new.parent.is_dir():
            raise TreeError(
                404, "RenameDestinationParentPathNotFound", "The parent directory of the destination does not exist."
            )
        if replaced is not None and replaced.is_directory != moved.is_directory:
            raise TreeError(409, "InvalidSourceOrDestinationResourceType", "A file and a directory do not mix.")
        if replaced is not None and replaced.is_directory and any(new.iterdir()):
            raise TreeError(409, "PathAlreadyExists", "The specified path already exists and is not empty.")
        old.rename(new)
        old_key, new_key = "/".join(source), "/".join(target)
        if old_key != new_key:
            self._forget(new_key)
            self._uncommitted.move(old_key, new_key)
            for key in [key for key in self._properties if _is_under(key, old_key)]:
                self._properties[new_key + key[len(old_key) :]] = self._properties.pop(key)
        return Entry(target[1], moved.is_directory, moved.length, moved.modified_ns)

    def delete(self, filesystem: str, path: str, *, recursive: bool) -> None:
        """Remove a file or a directory; one that is not empty only if `recursive`."""
        entry, at = self.entry(filesystem, path), self._at(filesystem, path)
        if entry is None:
            raise TreeError(404, "PathNotFound", "The specified path does not exist.")
        if not entry.is_directory:
            at.unlink()
        elif not recursive and any(at.iterdir()):
            raise TreeError(409, "DirectoryNotEmpty", "A directory that is not empty is deleted only recursively.")
        else:
            # moved away first: the directory vanishes at once, however long emptying it takes
            shutil.rmtree(at.rename(self._uncommitted.new_name()))
        self._forget(f"{filesystem}/{path}")

    def walk(self, filesystem: str, directory: str, *, recursive: bool) -> list[Entry]:
        """What is below `directory`, by path; 404 if there is no such directory."""
        top = self.entry(filesystem, directory)
        if top is None or not top.is_directory:
            raise TreeError(404, "PathNotFound", "The specified path does not exist.")
        folder = self._at(filesystem, directory) if directory else self._root / filesystem
        found = _scan(folder, f"{directory}/" if directory else "", recursive)
        return sorted(found, key=lambda entry: entry.path)

    def touch(self, filesystem: str, path: str) -> Entry:
        """Give the path a new modification time, and so a new ETag."""
        at = self._at(filesystem, path)
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        os.utime(at, ns=(self._last_ns, self._last_ns))
        return describe(path, at.stat())

    def _at(self, filesystem: str, path: str) -> Path:
        self.filesystem(filesystem)
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > 255 for part in parts):
            raise TreeError(400, "InvalidResourceName", "The specified path is not valid.")
        return self._root.joinpath(filesystem, *parts)

    def _file(self, filesystem: str, path: str) -> Entry:
        entry = self.entry(filesystem, path)
        if entry is None:
            raise TreeError(404, "PathNotFound", "The specified path does not exist.")
        if entry.is_directory:
            raise TreeError(409, "PathConflict", "The path is a directory.")
        return entry

    def _commit(self, filesystem: str, path: str, staged: Path, *, keep_properties: bool = False) -> Entry:
        at = self._at(filesystem, path)
        if at.is_dir():
            staged.unlink()
            raise TreeError(409, "PathConflict", "The path is a directory.")
        self._make_directory(at.parent)
        staged.replace(at)
        self._uncommitted.drop(f"{filesystem}/{path}")
        if not keep_properties:
            self._forget(f"{filesystem}/{path}")
        return self.touch(filesystem, path)

    @staticmethod
    def _make_directory(at: Path) -> None:
        try:
            at.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise TreeError(409, "PathConflict", "A parent of the path is a file.") from None

    def _forget(self, key: str) -> None:
        self._uncommitted.drop(key)
        for known in [known for known in self._properties if _is_under(known, key)]:
            del self._properties[known]


def _is_under(key: str, top: str) -> bool:
    return key == top or key.startswith(top + "/")


def _scan(folder: Path, prefix: str, recursive: bool) -> Iterator[Entry]:
    with os.scandir(folder) as found:
        for item in found:
            entry = describe(prefix + item.name, item.stat())
            yield entry
            if recursive and entry.is_directory:
                yield from _scan(Path(item.path), entry.path + "/", recursive)
