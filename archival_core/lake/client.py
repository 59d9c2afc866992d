"""The lake: Azure Data Lake Storage Gen2 through Microsoft's SDK, as the few operations an archive needs.

Every operation may be repeated: where a lost answer makes the SDK's own retry look like a failure (a rename whose source is
gone, a file that exists already), the result in the lake decides. Errors are `TransientError` or `PermanentError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.filedatalake.aio import DataLakeFileClient, FileSystemClient

from archival_core.clients import network
from archival_core.errors import ArchivalError, PermanentError, TransientError
from archival_core.lake import credentials
from archival_core.lake.entries import LakePage, LakePath, entry_of, utc
from archival_core.lake.errors import (
    DestinationExistsError,
    error_code,
    is_missing_path,
    lake_errors,
    translate,
)
from archival_core.lake.paths import WRITE_ONCE
from archival_core.lake.transfers import PARALLEL_RANGES, RETRIES, until_intact
from archival_core.lake.url import parse_lake_url


class LakehouseClient:
    """One filesystem, or the folder of it that LAKE_URL names; all paths are relative to that."""

    def __init__(self, filesystem: FileSystemClient, prefix: str, credential: Any = None) -> None:
        self._filesystem = filesystem
        self._prefix = prefix.strip("/")
        self._credential = credential
        self._was_there = False

    @classmethod
    def open(cls, lake_url: str, account_key: str | None = None) -> Self:
        """Connect to nothing yet.

        `lake_url` is `https://<account>.dfs.core.windows.net/<filesystem>[/<prefix>]`, or with the account in the path for a
        local server. Without a key the app's identity is used. Raises `SettingsError`.
        """
        endpoint, account, filesystem, prefix = parse_lake_url(lake_url)
        credential: Any = credentials.credential_for(account, account_key)
        options = {**RETRIES, **network.DIRECT}
        return cls(FileSystemClient(endpoint, filesystem, credential=credential, **options), prefix, credential)

    async def close(self) -> None:
        """Close the connections."""
        await self._filesystem.close()
        await credentials.close(self._credential)

    async def prepare(self) -> None:
        """As `ensure_filesystem`, once.

        Whatever is asked of a filesystem that goes away later says so, and the next look at the lake makes it again.
        """
        if not self._was_there:
            await self.ensure_filesystem()

    async def ensure_filesystem(self) -> None:
        """Create the filesystem if it is missing; looking first needs no right to create."""
        with lake_errors("create the filesystem", self._filesystem.file_system_name):
            if not await self._filesystem.exists():
                with suppress(ResourceExistsError):
                    await self._filesystem.create_file_system()
        self._was_there = True

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

    async def stat(self, path: str) -> LakePath | None:
        """What the path names, or None."""
        with lake_errors("look at", path):
            try:
                found = await self._file(path).get_file_properties()
            except HttpResponseError as error:
                if is_missing_path(error):
                    return None
                raise
        is_directory = (found.metadata or {}).get("hdi_isfolder") == "true"
        return LakePath(path.strip("/"), is_directory, 0 if is_directory else int(found.size), utc(found.last_modified))

    async def publish_directory(self, source: str, destination: str) -> bool:
        """Rename a directory in one atomic step, onto a name that must be free. True if the lake said that this was done.

        A source that is gone while the destination exists means that it was done and its answer was lost, or that others have
        done it: false. Raises `DestinationExistsError` if both exist.
        """
        with lake_errors(f"publish {source} as", destination):
            # the SDK decodes the source before it encodes it, which would damage a name that holds a percent sign
            directory = self._filesystem.get_directory_client(quote(self._full(source)))
            try:
                await self._renamed(directory.rename_directory, destination)
            except AzureError as error:
                if await self.stat(destination) is None:
                    raise
                if await self.stat(source) is not None:
                    if isinstance(error, HttpResponseError) and error.status_code in (409, 412):
                        raise DestinationExistsError(source, destination) from error
                    raise
                return False
        return True

    async def move_file(self, source: str, destination: str) -> None:
        """Rename a file in one atomic step, in place of one that may be there.

        A source that is gone while the destination exists means that it was done: its answer was lost.
        """
        with lake_errors(f"move {source} to", destination):
            try:
                await self._renamed(self._stand_in(source).rename_file, destination, onto=True)
            except AzureError:
                if await self.stat(source) is not None or await self.stat(destination) is None:
                    raise

    async def write_once(self, path: str, data: bytes) -> None:
        """A small file that is never changed: it appears whole, or not at all.

        The same content already there is success; other content raises `DestinationExistsError`.
        """
        staged = await self._stage(data)
        try:
            await self._renamed(self._stand_in(staged).rename_file, path)
        except AzureError as error:
            await self._check_written(path, data, translate(error, "write", path))
            with suppress(ArchivalError):
                await self.delete_tree(staged)

    async def write_into(self, path: str, data: bytes) -> None:
        """A small file that appears whole, in place of one that may be there; its directory must exist, and is not made."""
        staged = await self._stage(data)
        try:
            await self._stand_in(staged).rename_file(self._new_name(path))
        except AzureError as error:
            found = await self.stat(path)
            if found is None or found.is_directory or await self.read_all(path) != data:
                raise translate(error, "write", path) from error

    async def fill(self, path: str, data: bytes) -> None:
        """The content of a small file that `create_file` has made: it is there whole, or not at all.

        Nothing is made anew: if the file's directory was moved away, this fails.
        """
        await self.append_last(path, data, 0)
        # the MD5 covers the way there and the way back, not what lies between
        if await self.read_all(path) != data:
            raise TransientError(f"{path}: what was read back is not what was written", code="lake-damaged-transfer")

    async def _stage(self, data: bytes) -> str:
        staged = f"{WRITE_ONCE}/{uuid4()}"
        await self.create_file(staged)
        if data:
            await self.fill(staged, data)
        return staged

    def _stand_in(self, staged: str) -> DataLakeFileClient:
        # see publish_directory: the source of a rename is decoded once too often
        return self._filesystem.get_file_client(quote(self._full(staged)))

    async def _check_written(self, path: str, data: bytes, failure: ArchivalError) -> None:
        found = await self.stat(path)
        if found is None:
            raise failure from None
        if found.is_directory or found.length != len(data) or await self.read_all(path) != data:
            raise DestinationExistsError("what was to be written", path)

    async def list(self, path: str = "", recursive: bool = True) -> AsyncIterator[LakePath]:
        """What is below a directory, page by page; a missing directory has nothing."""
        skip = len(self._prefix) + 1 if self._prefix else 0
        with lake_errors("list", path):
            try:
                async for found in self._filesystem.get_paths(self._full(path) or None, recursive=recursive):
                    yield entry_of(found, skip)
            except HttpResponseError as error:
                if not is_missing_path(error):
                    raise

    async def page(self, path: str, after: str | None, size: int) -> LakePage:
        """Some of what lies in a directory, by name; `after` is where an earlier page said that the next one begins.

        A missing directory has nothing. Raises `PermanentError` where the lake does not know `after` any more.
        """
        skip = len(self._prefix) + 1 if self._prefix else 0
        with lake_errors("list", path):
            found = self._filesystem.get_paths(self._full(path) or None, recursive=False, max_results=size)
            pages: Any = found.by_page(after)
            try:
                entries = [entry_of(entry, skip) async for entry in await anext(pages)]
            except HttpResponseError as error:
                if not is_missing_path(error):
                    raise
                return LakePage((), None)
            except StopAsyncIteration:
                return LakePage((), None)
            return LakePage(tuple(entries), pages.continuation_token or None)

    async def delete_tree(self, path: str) -> None:
        """Remove a file, or a directory with all it holds; missing is fine."""
        if not path.strip("/"):
            raise ValueError("the root of the lake is not deleted")
        with lake_errors("delete", path):
            try:
                await self._filesystem.get_directory_client(self._full(path)).delete_directory()
            except HttpResponseError as error:
                if not is_missing_path(error):
                    raise

    async def _renamed(self, rename: Callable[..., Awaitable[Any]], destination: str, *, onto: bool = False) -> None:
        """Rename onto a name that must be free, unless what is there may be replaced. A rename, unlike a create, needs its
        parent directory to exist, and it mostly does.
        """
        target: dict[str, Any] = {"new_name": self._new_name(destination)}
        if not onto:
            target["match_condition"] = MatchConditions.IfMissing
        try:
            await rename(**target)
        except HttpResponseError as error:
            if error_code(error) != "RenameDestinationParentPathNotFound":
                raise
            await self._make_parents(destination)
            await rename(**target)

    async def _make_parents(self, path: str) -> None:
        parent = self._full(path).rpartition("/")[0]
        if not parent:
            return
        with lake_errors("create the directory of", path), suppress(ResourceExistsError):
            directory = self._filesystem.get_directory_client(parent)
            await directory.create_directory(match_condition=MatchConditions.IfMissing)

    def _file(self, path: str) -> DataLakeFileClient:
        return self._filesystem.get_file_client(self._full(path))

    def _full(self, path: str) -> str:
        return "/".join(part for part in (self._prefix, path.strip("/")) if part)

    def _new_name(self, path: str) -> str:
        return f"{self._filesystem.file_system_name}/{self._full(path)}"
