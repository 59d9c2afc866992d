"""A pooler in transaction mode, as small as one can be: each transaction of a client gets whichever session is free.

It speaks the simple query protocol, which is what the service's first statements use, and keeps a connection's `options` to
itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import psycopg

_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102


@dataclass
class SharedSessions:
    """The server's sessions, given to one transaction after another: the last one that came back first, or in turn."""

    in_turn: bool
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    port: int = 0
    #: connections that asked for one
    clients: int = 0
    _returned: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._returned:
            await self._returned.wait_for(lambda: self.free)
            return self.free.pop(0 if self.in_turn else -1)

    async def give_back(self, session: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        async with self._returned:
            self.free.append(session)
            self._returned.notify()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            length, kind = struct.unpack("!ii", await reader.readexactly(8))
            await reader.readexactly(length - 8)
            if kind == _CANCEL_REQUEST:
                return
            if kind not in (_SSL_REQUEST, _GSS_REQUEST):
                break
            writer.write(b"N")
        self.clients += 1
        parameters = {"server_version": "16.0", "client_encoding": "UTF8", "server_encoding": "UTF8"}
        writer.write(_message(b"R", struct.pack("!i", 0)))
        for name, value in parameters.items():
            writer.write(_message(b"S", f"{name}\0{value}\0".encode()))
        writer.write(_message(b"K", os.urandom(8)) + _message(b"Z", b"I"))
        while True:
            session = await self._transaction(reader, writer, await _read(reader))
            if session is None:
                return
            await self.give_back(session)

    async def _transaction(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: tuple[bytes, bytes]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Pass on what a client says, until its transaction has ended; `None` when the client goes."""
        if first[0] == b"X":
            return None
        session = await self.take()
        kind, body = first
        while True:
            if kind == b"X":
                kind, body = b"Q", b"rollback\0"
            session[1].write(_message(kind, body))
            state = b""
            while not state:
                answer, content = await _read(session[0])
                writer.write(_message(answer, content))
                state = content if answer == b"Z" else b""
            if state == b"I":
                return session
            kind, body = await _read(reader)


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await reader.readexactly(1)
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return kind, await reader.readexactly(length - 4)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


@asynccontextmanager
async def shared_sessions(url: str, sessions: int, *, in_turn: bool = False) -> AsyncIterator[SharedSessions]:
    """A pooler before `url` with so many of its sessions; libpq opens them, and from then on their sockets are spoken to."""
    pooler = SharedSessions(in_turn)
    async with AsyncExitStack() as stack:
        for _ in range(sessions):
            opened = stack.enter_context(psycopg.connect(url, autocommit=True))
            end = socket.socket(fileno=os.dup(opened.fileno()))
            end.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=end)
            stack.callback(writer.close)
            pooler.free.append((reader, writer))
        server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
        stack.callback(server.close)
        pooler.port = server.sockets[0].getsockname()[1]
        yield pooler
