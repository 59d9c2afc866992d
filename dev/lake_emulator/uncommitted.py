"""Data that was sent but not committed: on disk, outside the served folders, wiped at each start.

Appended data of a path is one sparse file written at the positions that the client gave, so a commit is a rename and copies
nothing. The folders mirror the namespace: a renamed directory takes its uncommitted data along.
"""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path


class Uncommitted:
    """The store; a key is `<filesystem>/<path>`."""

    def __init__(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        self._new, self._kept = root / "new", root / "kept"
        self._new.mkdir(parents=True)
        self._kept.mkdir()
        self._names = count()
        # key → position → length; lost at a restart, after which a flush is refused
        self._ranges: dict[str, dict[int, int]] = {}

    def new_name(self) -> Path:
        """A name that nothing has, on the same volume as the namespace."""
        return self._new / str(next(self._names))

    def whole(self, data: bytes) -> Path:
        """A file with `data`, to be moved into place."""
        path = self.new_name()
        path.write_bytes(data)
        return path

    def append(self, key: str, position: int, data: bytes, committed: Path | None) -> None:
        """Keep `data` at `position`, behind a copy of the `committed` content."""
        path = self._appended(key)
        if key not in self._ranges:
            path.parent.mkdir(parents=True, exist_ok=True)
            if committed is None:
                path.touch()
            else:
                shutil.copyfile(committed, path)
            self._ranges[key] = {}
        with path.open("r+b") as file:
            os.pwrite(file.fileno(), data, position)
        self._ranges[key][position] = len(data)

    def contiguous(self, key: str, start: int, limit: int) -> int:
        """How far the appended data reaches from `start` without a hole, not looking past `limit`."""
        ranges, end = self._ranges.get(key, {}), start
        while end < limit and ranges.get(end):
            end += ranges[end]
        return end

    def take(self, key: str, length: int) -> Path:
        """The appended file, cut to `length`, to be moved into place."""
        path = self._appended(key)
        os.truncate(path, length)
        return path

    def put_block(self, key: str, block: str, data: bytes) -> None:
        """Keep a block by its identifier."""
        path = self._block(key, block)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def join_blocks(self, key: str, blocks: list[str]) -> Path | None:
        """One file of the blocks, to be moved into place; None if one is unknown."""
        sources = [self._block(key, block) for block in blocks]
        if not all(source.is_file() for source in sources):
            return None
        joined = self.new_name()
        with joined.open("wb") as target:
            for source in sources:
                with source.open("rb") as file:
                    shutil.copyfileobj(file, target, 1 << 20)
        return joined

    def move(self, old: str, new: str) -> None:
        """Follow a rename."""
        if (self._kept / old).exists():
            (self._kept / new).parent.mkdir(parents=True, exist_ok=True)
            (self._kept / old).rename(self._kept / new)
        for key in self._under(old):
            self._ranges[new + key[len(old) :]] = self._ranges.pop(key)

    def drop(self, key: str) -> None:
        """Forget what is kept for a path and everything below it."""
        shutil.rmtree(self._kept / key, ignore_errors=True)
        for known in self._under(key):
            del self._ranges[known]

    def _under(self, top: str) -> list[str]:
        return [key for key in self._ranges if key == top or key.startswith(top + "/")]

    # A path with uncommitted data is a file, so nothing of the namespace lies below it and these names are free.
    def _appended(self, key: str) -> Path:
        return self._kept / key / "appended"

    def _block(self, key: str, block: str) -> Path:
        return self._kept / key / f"block-{block.encode().hex()}"
