"""A table as another implementation of the protocol reads it: delta-rs, which also writes the checkpoints.

deltalake is loaded when a log is first read or checkpointed, and works in a thread, whose calls let go of the interpreter's
lock. A log that it cannot read is one that other engines cannot read either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from archival_core.errors import AwayError, PermanentError
from archival_core.lake import credentials
from archival_core.lake.errors import lake_errors
from archival_core.lake.url import parse_lake_url
from archival_core.model.lake.delta_log import app_id

if TYPE_CHECKING:
    from deltalake import DeltaTable

_SCOPE: Final = "https://storage.azure.com/.default"
#: deltalake's own patience is ten tries within three minutes, each as long as it takes
_PATIENCE: Final = {"timeout": "30s", "connect_timeout": "5s", "max_retries": "3", "retry_timeout": "60s"}


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """What a table's newest version holds."""

    version: int
    #: the table's own id, which names the log if it is one of ours
    log_id: UUID | None
    #: of the newest application transaction of that log, 0 without one
    sequence: int
    #: paths relative to the table's folder
    files: frozenset[str]
    #: the protocol's `schemaString`
    schema: str


class TableReader:
    """Reads and checkpoints the tables of the lake that LAKE_URL names."""

    def __init__(self, lake_url: str, account_key: str | None = None) -> None:
        self._endpoint, self._account, self._filesystem, self._prefix = parse_lake_url(lake_url)
        self._key = account_key
        self._credential: Any = None if account_key else credentials.credential_for(self._account, None)

    async def close(self) -> None:
        """Close the connections of the identity."""
        await credentials.close(self._credential)

    async def snapshot(self, table: str) -> TableSnapshot | None:
        """The newest version of the table in this folder of the lake; `None` if there is no log.

        Raises `PermanentError` (`table-log-damaged`) for a log that cannot be read, and `AwayError`.
        """
        return await self._with(table, _snapshot)

    async def checkpoint(self, table: str) -> int | None:
        """Write a checkpoint of the newest version, and return that."""
        return await self._with(table, _checkpoint)

    async def _with[T](self, table: str, work: Callable[[DeltaTable], T]) -> T | None:
        options = await self._options()
        path = "/".join(part for part in (self._prefix, table) if part)
        address = f"az://{self._filesystem}/{path}"
        with lake_errors("read the log of", table):
            return await asyncio.to_thread(_opened, address, options, work, table)

    async def _options(self) -> dict[str, str]:
        blob = self._endpoint.replace(".dfs.", ".blob.", 1)
        options = {"account_name": self._account, "azure_storage_endpoint": blob, **_PATIENCE}
        if urlsplit(blob).scheme == "http":
            options["allow_http"] = "true"
        if self._key:
            return options | {"account_key": self._key}
        with lake_errors("sign in to", self._endpoint):
            token = await self._credential.get_token(_SCOPE)
        return options | {"bearer_token": token.token}


def _opened[T](address: str, options: dict[str, str], work: Callable[[DeltaTable], T], table: str) -> T | None:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return work(DeltaTable(address, storage_options=options))
    except TableNotFoundError:
        return None
    except OSError as error:
        # what it says may quote a signed address
        raise AwayError(
            f"read the log of {table}: the lake did not answer as it should ({type(error).__name__})",
            code="lake-unavailable",
            dependency="lake",
        ) from None
    except (DeltaError, ValueError) as error:
        raise PermanentError(
            f"the log of {table} cannot be read, so no engine can read the table; `archival tables rebuild` makes the log anew:"
            f" {str(error).partition(chr(10))[0][:300]}",
            code="table-log-damaged",
        ) from error


def _snapshot(table: DeltaTable) -> TableSnapshot:
    try:
        log_id = UUID(str(table.metadata().id))
    except ValueError:
        log_id = None
    actions = table.get_add_actions()
    return TableSnapshot(
        version=table.version(),
        log_id=log_id,
        sequence=(table.transaction_version(app_id(log_id)) or 0) if log_id else 0,
        files=frozenset(str(path) for path in actions["path"].to_pylist()) if actions.num_rows else frozenset(),
        schema=table.schema().to_json(),
    )


def _checkpoint(table: DeltaTable) -> int:
    table.create_checkpoint()
    return int(table.version())
