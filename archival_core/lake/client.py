"""The lake: Azure Data Lake Storage Gen2 through Microsoft's SDK, as the few operations an archive needs.

`filesystem.py` has the connections, and tells what lies in the lake; `contents.py` fills and reads a file. What appears whole,
or not at all, is here: a directory or a file that gets its name by a rename, and a small file that is written by one request.

Every operation may be repeated: where a lost answer makes the SDK's own retry look like a failure (a rename whose source is
gone, a file that exists already), the result in the lake decides. Errors are `TransientError` or `PermanentError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.filedatalake.aio import DataLakeFileClient

from archival_core.errors import ArchivalError, TransientError
from archival_core.lake.contents import FileContents
from archival_core.lake.errors import DestinationExistsError, error_code, lake_errors, translate
from archival_core.lake.paths import WRITE_ONCE
from archival_core.lake.transfers import until_intact


class LakehouseClient(FileContents):
    """Everything that is done in the lake: a filesystem, the contents of its files, and what appears whole."""

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
        await self._check_intact(path, data)

    async def _check_intact(self, path: str, data: bytes) -> None:
        # the MD5 covers the way there and the way back, not what lies between
        if await self.read_all(path) != data:
            raise TransientError(f"{path}: what was read back is not what was written", code="lake-damaged-transfer")

    async def _stage(self, data: bytes) -> str:
        staged = f"{WRITE_ONCE}/{uuid4()}"
        try:
            await until_intact("write", staged, lambda: self._put(staged, data))
        except ArchivalError:
            # the answer may have been lost: nobody else writes under this name
            if not await self._has_length(staged, len(data)):
                raise
        await self._check_intact(staged, data)
        return staged

    async def _put(self, path: str, data: bytes) -> None:
        blob = self._container.get_blob_client(self._full(path))
        await blob.upload_blob(data, length=len(data), overwrite=True, validate_content=True)

    def _stand_in(self, staged: str) -> DataLakeFileClient:
        # see publish_directory: the source of a rename is decoded once too often
        return self._clients(quote(self._full(staged)))

    async def _check_written(self, path: str, data: bytes, failure: ArchivalError) -> None:
        found = await self.stat(path)
        if found is None:
            raise failure from None
        if found.is_directory or found.length != len(data) or await self.read_all(path) != data:
            raise DestinationExistsError("what was to be written", path)

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
