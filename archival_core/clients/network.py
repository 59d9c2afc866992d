"""How long a silent network is borne: the same for every connection of every driver.

A peer that says nothing is given up after a minute, whether it is waited for (keepalives) or written to (user time-out). Azure
drops a connection after four silent minutes without a word, and the connection that holds a snapshot is silent for longer.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

#: in seconds, for a connection to be made
CONNECT_SECONDS: Final = 10
#: in seconds: of silence before the first question, between two questions; and how many go unanswered
KEEPALIVE_IDLE: Final = 30
KEEPALIVE_INTERVAL: Final = 10
KEEPALIVE_COUNT: Final = 3
#: for what was sent to be acknowledged
USER_TIMEOUT_MILLISECONDS: Final = 60_000


def _of_sockets() -> dict[int, int]:
    options = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL,
        "TCP_KEEPCNT": KEEPALIVE_COUNT,
        "TCP_USER_TIMEOUT": USER_TIMEOUT_MILLISECONDS,
    }
    # not every system has all of them
    return {getattr(socket, name): value for name, value in options.items() if hasattr(socket, name)}


#: As options of a TCP socket.
SOCKET_OPTIONS: Final[Mapping[int, int]] = MappingProxyType(_of_sockets())
#: As libpq's parameters.
LIBPQ_PARAMETERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connect_timeout": str(CONNECT_SECONDS),
        "keepalives": "1",
        "keepalives_idle": str(KEEPALIVE_IDLE),
        "keepalives_interval": str(KEEPALIVE_INTERVAL),
        "keepalives_count": str(KEEPALIVE_COUNT),
        "tcp_user_timeout": str(USER_TIMEOUT_MILLISECONDS),
    }
)
#: As options of an Azure client. Reading ~/.netrc and the proxies' variables, each in a thread of its own and for each request,
#: takes a third of the time of a short one, and nothing else here goes through a proxy.
DIRECT: Final[Mapping[str, Any]] = MappingProxyType({"use_env_settings": False})
