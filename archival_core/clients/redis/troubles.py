"""Commands to Redis are timed, and what keeps Redis from answering is told in the service's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.exceptions import ClusterError, DataError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from archival_core import telemetry
from archival_core.errors import AwayError, TransientError

_REDIS = telemetry.Dependency("redis")
#: What a server answers to every command of its kind: the server is a replica, or cannot save.
_REFUSE_ALL: Final = (ReadOnlyError, ClusterError)
_REFUSALS: Final = ("MISCONF", "NOREPLICAS", "MASTERDOWN", "NOPERM", "NOAUTH", "CLUSTERDOWN")


@contextmanager
def calling(command: str) -> Iterator[None]:
    """Time the commands inside under the name of the command that matters, and translate their errors.

    Raises `AwayError` where Redis answers no command of the kind, and `TransientError` where the command itself is refused.
    """
    try:
        with _REDIS.timed(command):
            yield
    except OutOfMemoryError as error:
        raise AwayError(
            "Redis is full and takes nothing more: give it more memory, or have less kept in its streams",
            code="redis-full",
            dependency="redis",
        ) from error
    except AttributeError as error:
        if error.name != "_add_writer":
            raise
        # for a connection that was reset, asyncio of Python 3.13.0 raises this error in place of ConnectionResetError
        raise AwayError("Redis: the connection was reset", code="redis", dependency="redis") from error
    except RedisError as error:
        said = f"Redis: {type(error).__name__}: {str(error)[:200]}"
        if isinstance(error, ResponseError | DataError) and not (
            isinstance(error, _REFUSE_ALL) or str(error).startswith(_REFUSALS)
        ):
            # the command's own failure: a key that holds something else, an argument that is too long
            raise TransientError(said, code="redis") from error
        raise AwayError(said, code="redis", dependency="redis") from error
