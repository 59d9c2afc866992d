"""A server that hangs while its system still acknowledges packets: keepalives do not notice, so the server is asked.

A statement may rightly take long without a byte. So a connection that hears nothing for a minute is no reason to end it; that a
new connection to the same server is not answered either is one.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import logging
import os
import socket
import struct
import termios
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from archival_core.errors import TransientError

_LOG = logging.getLogger(__name__)

#: in seconds: how often a connection is looked at, and how long it may hear nothing before its server is asked
_LOOK_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 60.0
#: for a new connection's answer, and how many that are not answered make the server a hanging one
_ANSWER_SECONDS: Final = 5
_QUESTIONS: Final = 2

#: Linux's `tcp_info`: milliseconds since data came last, `tcpi_last_data_recv`
_LAST_DATA: Final = 52
_OPEN_FILES: Final = Path("/proc/self/fd")
_CAN_LOOK: Final = hasattr(socket, "TCP_INFO") and hasattr(socket, "TCP_USER_TIMEOUT")
_MARKS: Final = itertools.count()


def marked(conninfo: str) -> tuple[str, int]:
    """`conninfo` with a user time-out that is some milliseconds longer, and this time-out.

    Nothing else tells which of the process's sockets a driver has opened. The time-out is 0 where `conninfo` has none.
    """
    given = int(conninfo_to_dict(conninfo).get("tcp_user_timeout") or 0)
    mark = given + 1 + next(_MARKS) % 1000 if given else 0
    return (make_conninfo(conninfo, tcp_user_timeout=mark) if mark else conninfo), mark


@contextmanager
def ended_when_hanging(conninfo: str, mark: int) -> Iterator[None]:
    """End connections with `mark` when their server hangs: what blocks a thread in the driver's code then fails.

    Looks from a thread of its own.
    """
    if not (_CAN_LOOK and mark):
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_watch_marked, args=(conninfo, mark, over), daemon=True, name="silence")
    thread.start()
    try:
        yield
    finally:
        over.set()


def _watch_marked(conninfo: str, mark: int, over: threading.Event) -> None:
    unanswered = 0
    while not over.wait(_LOOK_SECONDS):
        with closing(_Ends(mark)) as ends:
            silent = [end for end in ends.found if _silence(end) >= _SILENT_SECONDS]
            unanswered = unanswered + 1 if silent and not _answers(conninfo) else 0
            # asked anew, since the connection may have ended meanwhile
            if unanswered >= _QUESTIONS and not over.is_set():
                _LOG.warning("the server hangs: a connection that waits for it is ended")
                for end in silent:
                    _shut(end)


@asynccontextmanager
async def ended_with_its_server(connection: psycopg.AsyncConnection[Any], conninfo: Callable[[], str]) -> AsyncIterator[None]:
    """End a connection of psycopg when its server hangs; `conninfo` is called in a thread when the server is to be asked."""
    if not _CAN_LOOK:
        yield
        return
    task = asyncio.get_running_loop().create_task(_watch(connection, conninfo))
    try:
        yield
    finally:
        task.cancel()


async def _watch(connection: psycopg.AsyncConnection[Any], conninfo: Callable[[], str]) -> None:
    unanswered = 0
    while not connection.closed:
        await asyncio.sleep(_LOOK_SECONDS)
        if connection.closed or not _is_silent(connection):
            unanswered = 0
            continue
        try:
            unanswered = 0 if await asyncio.to_thread(lambda: _answers(conninfo())) else unanswered + 1
        except TransientError:  # no token, which says nothing about the server
            unanswered = 0
        if unanswered >= _QUESTIONS and not connection.closed:
            _LOG.warning("the server hangs: a connection that waits for it is ended")
            cut(connection)


def cut(connection: psycopg.AsyncConnection[Any]) -> None:
    """End the connection under whoever waits for it."""
    # not closed: the descriptor's number would belong to the next connection while this one is still waited for
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        _shut(end)


def _is_silent(connection: psycopg.AsyncConnection[Any]) -> bool:
    if connection.info.transaction_status is not TransactionStatus.ACTIVE:
        return False
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        return _silence(end) >= _SILENT_SECONDS
    return False


class _Ends:
    """This process's sockets with a mark."""

    def __init__(self, mark: int) -> None:
        self.found = [end for descriptor in os.listdir(_OPEN_FILES) if (end := _marked_end(int(descriptor), mark))]  # noqa: PTH208  entries vanish

    def close(self) -> None:
        """Close the copies of the sockets; the connections stay open for their owners."""
        for end in self.found:
            end.close()


def _marked_end(descriptor: int, mark: int) -> socket.socket | None:
    try:
        copy = os.dup(descriptor)
    except OSError:  # closed meanwhile
        return None
    try:
        end = socket.socket(fileno=copy)
    except OSError:  # a file
        os.close(copy)
        return None
    with suppress(OSError):
        if end.getsockopt(socket.SOL_TCP, socket.TCP_USER_TIMEOUT) == mark:
            return end
    end.close()
    return None


def _silence(end: socket.socket) -> float:
    """Seconds in which nothing came; none while something is there to be read."""
    with suppress(OSError):
        (unread,) = struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, b"\0" * 4))
        if not unread:
            info = end.getsockopt(socket.SOL_TCP, socket.TCP_INFO, 104)
            (milliseconds,) = struct.unpack_from("I", info, _LAST_DATA)
            return float(milliseconds) / 1000
    return 0.0


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def _answers(conninfo: str) -> bool:
    """Whether the server lets somebody in, or refuses to, which is an answer too."""
    try:
        psycopg.connect(conninfo, connect_timeout=_ANSWER_SECONDS).close()
    except psycopg.errors.ConnectionTimeout as error:
        # the connection is half made, and would stay so for as long as the driver's frames refer to each other
        traceback.clear_frames(error.__traceback__)
        return False
    except psycopg.OperationalError as error:
        return "FATAL" in str(error)
    return True
