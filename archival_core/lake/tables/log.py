"""The commits of a table's log, as files that are written once.

A commit is there when its file is, whole or not at all, and nobody else's commit has the same version. That is all that the
protocol asks of a writer, and nothing of the log is read for it: a commit costs the same whatever the table's size.
"""

from __future__ import annotations

from archival_core.errors import PermanentError, TransientError
from archival_core.lake.client import LakehouseClient
from archival_core.lake.errors import DestinationExistsError
from archival_core.lake.paths import LOG
from archival_core.model.lake.delta_log import Commit, commit_content, commit_file, is_commit_of


class OvertakenCommitError(TransientError):
    """Somebody else has made the commit of this version."""

    def __init__(self, table: str, version: int) -> None:
        super().__init__(
            f"{table}: version {version} of its log is another's; the next run goes on from there", code="table-overtaken"
        )


class TableLog:
    """The logs of the tables in one lake. A table is its folder, `tables/<schema>.<table>`."""

    def __init__(self, lake: LakehouseClient) -> None:
        self._lake = lake

    async def is_at(self, table: str, version: int | None) -> bool:
        """Whether `version` is the newest commit; `None` means that there is no log."""
        if version is None:
            return await self._lake.stat(f"{table}/{LOG}") is None
        return (
            await self._lake.stat(_file(table, version)) is not None
            and await self._lake.stat(_file(table, version + 1)) is None
        )

    async def write(self, table: str, version: int, commit: Commit) -> None:
        """Make the commit, once: where the answer was lost, the commit is found by its content.

        Raises `OvertakenCommitError` if the version is another's.
        """
        path = _file(table, version)
        try:
            await self._lake.write_once(path, commit_content(commit))
        except DestinationExistsError:
            found = await self._lake.stat(path)
            if found is None or found.is_directory or not is_commit_of(await self._lake.read_all(path), commit.token):
                raise OvertakenCommitError(table, version) from None

    async def read(self, table: str, version: int) -> bytes | None:
        """The content of a commit's file; `None` if there is none."""
        try:
            return await self._lake.read_all(_file(table, version))
        except PermanentError as error:
            if error.code == "lake-not-found":
                return None
            raise

    async def set_aside(self, table: str, to: str) -> bool:
        """Move the whole log to `to`, a path of the lake; false if there is none."""
        if await self._lake.stat(f"{table}/{LOG}") is None:
            return False
        await self._lake.publish_directory(f"{table}/{LOG}", to)
        return True


def _file(table: str, version: int) -> str:
    return f"{table}/{LOG}/{commit_file(version)}"
