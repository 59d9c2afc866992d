"""Connections to Redis: with a password or a token, given up when they fall silent, and made anew after a failover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as NotConnectedError
from redis.exceptions import MasterDownError, ReadOnlyError
from redis.exceptions import TimeoutError as SilentError

from archival_core.clients import network
from archival_core.clients.redis.credentials import EntraCredentials

#: in seconds, for an answer; scripts that read a stream stop by themselves much sooner
_ANSWER_SECONDS: Final = 5.0
#: A command that met a broken connection is sent again over a new one, soon and not often: the work behind it comes again.
_RETRIES: Final = 2
#: A failover that keeps its connections leaves the client with a server that has become a replica and refuses every write. A
#: new connection leads to the new primary, which has the same address.
_ANEW: Final = (NotConnectedError, SilentError, ReadOnlyError, MasterDownError)


def open_redis(url: str, token: Callable[[], str] | None) -> Redis:
    """A pool that connects on first use. A `rediss://` URL with a user and without a password asks `token`, at each connect."""
    options: dict[str, Any] = {
        "socket_timeout": _ANSWER_SECONDS,
        "socket_connect_timeout": network.CONNECT_SECONDS,
        "socket_keepalive": True,
        "socket_keepalive_options": dict(network.SOCKET_OPTIONS),
        # a connection that was idle is asked before a command is sent over it
        "health_check_interval": network.KEEPALIVE_IDLE,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.1, cap=1.0), _RETRIES, _ANEW),
    }
    parts = urlsplit(url)
    # a token is sent over TLS only
    if token is not None and parts.scheme == "rediss" and parts.username and parts.password is None:
        options["credential_provider"] = EntraCredentials(unquote(parts.username), token)
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return Redis.from_url(url, **options)
