"""What is in a file of the lake: its bytes on the way there, in steps and committed at the end, and on the way back.

The hierarchical namespace makes a file, fills it and commits it. Reading goes by the blob service in any case.
"""

from __future__ import annotations

from contextlib import suppress

from archival_core.errors import ArchivalError, PermanentError
from archival_core.lake.errors import lake_errors
from archival_core.lake.filesystem import Filesystem
from archival_core.lake.transfers import PARALLEL_RANGES, until_intact


class FileContents(Filesystem):
    """The files of a filesystem, filled and read."""

    async def create_file(self, path: str) -> None:
        """An empty file in place of whatever file is there; parent directories are implicit."""
        with lake_errors("create", path):
            await self._file(path).create_file()

    async def append(self, path: str, data: bytes, offset: int, *, checked: bool = True) -> None:
        """Send `data` for `offset`, checked by its MD5 on arrival; invisible until `flush`.

        The same data for the same offset may be sent again. One file has one writer. `checked` may be false where the file is
        read back and compared anyway.
        """
        await until_intact("append to", path, lambda: self._append(path, data, offset, checked))

    async def append_last(self, path: str, data: bytes, offset: int, *, checked: bool = True) -> None:
        """The same for the last data, and commit the file in the same request: it then has all of its bytes, all at once."""
        try:
            await until_intact("append to", path, lambda: self._append(path, data, offset, checked, is_last=True))
        except ArchivalError:
            # what is committed takes no data for the same offset again, so after a lost answer the length tells
            if not await self._has_length(path, offset + len(data)):
                raise

    async def _append(self, path: str, data: bytes, offset: int, checked: bool, *, is_last: bool = False) -> None:
        await self._file(path).append_data(
            data, offset, len(data), validate_content="md5" if checked else False, flush=is_last or None
        )

    async def flush(self, path: str, length: int) -> None:
        """Commit what was appended: the file then has `length` bytes, all at once."""
        try:
            with lake_errors("flush", path):
                await self._file(path).flush_data(length)
        except ArchivalError:
            # The answer may have been lost, not the flush: an uncommitted file is empty, so its length tells.
            if length == 0 or not await self._has_length(path, length):
                raise

    async def _has_length(self, path: str, length: int) -> bool:
        with suppress(ArchivalError):
            found = await self.stat(path)
            return found is not None and not found.is_directory and found.length == length
        return False

    async def read(self, path: str, offset: int, length: int, *, checked: bool = True) -> bytes:
        """`length` bytes from `offset`, fewer at the end of the file; each range is checked by its MD5.

        `checked` may be false where what is read is compared by other means.
        """
        if length == 0:
            return b""
        return await until_intact("read", path, lambda: self._read(path, offset, length, checked=checked))

    async def read_all(self, path: str) -> bytes:
        """The whole file, checked likewise."""
        return await until_intact("read", path, lambda: self._read(path))

    async def read_if_there(self, path: str) -> bytes | None:
        """The whole file, checked likewise; `None` if there is none: one request, where a look before the reading is two."""
        try:
            return await self.read_all(path)
        except PermanentError as error:
            if error.code != "lake-not-found":
                raise
            return None

    async def _read(self, path: str, offset: int | None = None, length: int | None = None, *, checked: bool = True) -> bytes:
        stream = await self._file(path).download_file(
            offset, length, validate_content="md5" if checked else False, max_concurrency=PARALLEL_RANGES
        )
        return await stream.readall()
