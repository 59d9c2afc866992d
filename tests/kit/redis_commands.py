"""Commands of Redis, with the types that the answers have when they are not decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

type Entry = tuple[bytes, dict[bytes, bytes]]


async def entries(redis: Redis, stream: str, first: str = "-", last: str = "+") -> list[Entry]:
    """The entries of `stream` from the id `first` to the id `last`."""
    found: Any = await redis.xrange(stream, first, last)
    return list(found)


async def added(redis: Redis, stream: str, fields: Mapping[Any, Any]) -> str:
    """The id of the new entry."""
    entry_id = await redis.xadd(stream, dict(fields))
    assert isinstance(entry_id, bytes)
    return entry_id.decode()


async def command(redis: Redis, *words: str | int) -> Any:
    """The server's answer to a command that the client has no typed method for."""
    execute: Any = redis.execute_command
    return await execute(*words)
