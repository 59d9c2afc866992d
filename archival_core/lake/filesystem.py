"""The filesystem that LAKE_URL names: the connections to it, what paths in it are called, and what lies there.

The hierarchical namespace and the account's blob service are two ways to the same files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Self

from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob.aio import ContainerClient
from azure.storage.filedatalake.aio import DataLakeFileClient, FileSystemClient

from archival_core.clients import network
from archival_core.errors import SettingsError
from archival_core.lake import credentials
from archival_core.lake.entries import LakePage, LakePath, entry_of, utc
from archival_core.lake.errors import is_missing_path, lake_errors
from archival_core.lake.transfers import RETRIES
from archival_core.lake.url import blob_endpoint, parse_lake_url

#: Clients of the SDK, each of one file, that are kept: a file is made, filled and read back one after the other.
_FILES: Final = 64


class Filesystem:
    """One filesystem, or the folder of it that LAKE_URL names; all paths are relative to that."""

    def __init__(self, filesystem: FileSystemClient, container: ContainerClient, prefix: str, credential: Any = None) -> None:
        #: `container` is what the blob service calls the filesystem
        self._filesystem, self._container = filesystem, container
        self._clients = lru_cache(_FILES)(filesystem.get_file_client)
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
        if endpoint.startswith("http:") and not account_key:
            raise SettingsError("LAKE_URL: http:// needs LAKE_ACCOUNT_KEY; a token is sent over https:// only")
        credential: Any = credentials.credential_for(account, account_key)
        options = {**RETRIES, **network.DIRECT}
        return cls(
            FileSystemClient(endpoint, filesystem, credential=credential, **options),
            ContainerClient(blob_endpoint(endpoint), filesystem, credential=credential, **options),
            prefix,
            credential,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._filesystem.close()
        await self._container.close()
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

    def _file(self, path: str) -> DataLakeFileClient:
        return self._clients(self._full(path))

    def _full(self, path: str) -> str:
        return "/".join(part for part in (self._prefix, path.strip("/")) if part)

    def _new_name(self, path: str) -> str:
        return f"{self._filesystem.file_system_name}/{self._full(path)}"
