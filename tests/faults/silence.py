"""A silent peer: the kernel drops what comes for a socket. Nothing is acknowledged, no keepalive answered and nobody reset.

A proxy that only passes nothing on still acknowledges what it gets, and answers keepalives: its kernel does. Here a socket
filter of the kernel drops each packet before TCP sees it, as a firewall that has forgotten the connection does. On a listening
socket it drops the requests for connections.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from contextlib import suppress
from typing import Any, Final

#: <asm-generic/socket.h>; Python does not name them
_ATTACH_FILTER: Final = 26
_DETACH_FILTER: Final = 27
_SOL_SOCKET: Final = 1
#: one instruction of the Berkeley packet filter: return 0, the bytes of the packet to keep
_DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)

#: Elsewhere nothing is passed on, and the kernel answers.
CAN_BE_SILENT: Final = sys.platform == "linux"


def deafen(end: Any) -> None:
    """From now on nothing arrives at this socket; what goes out still does."""
    if CAN_BE_SILENT:
        instructions = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
        program = struct.pack("HL", 1, ctypes.addressof(instructions))
        end.setsockopt(_SOL_SOCKET, _ATTACH_FILTER, program)


def hear_again(end: Any) -> None:
    """Packets arrive again."""
    if CAN_BE_SILENT:
        with suppress(OSError):  # it was never deaf
            end.setsockopt(_SOL_SOCKET, _DETACH_FILTER, 0)
