"""A TCP proxy between the service and one server: what a network does on a bad day."""

from __future__ import annotations

import asyncio
import builtins
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.faults.silence import deafen, hear_again

Kind = Literal[
    "pass",
    "refuse",  # every connection is reset at once
    "reset",  # reset after `bytes` in `direction`
    "latency",  # each piece comes `seconds` later
    "black_hole",  # after `bytes` nothing comes through any more, and nobody is told
    "half_open",  # after `bytes` the server's side is closed, and the client is not told
    "drop_answer",  # the question reaches the server and has its effect; its answer is lost, and a reset comes instead
]


@dataclass(slots=True)
class Weather:
    """What happens to connections; the first `times` that come as far as that meet it."""

    kind: Kind = "pass"
    bytes: int = 0
    direction: Literal["up", "down"] = "up"
    seconds: float = 0.0
    #: strike at the first piece with this in it, instead of after `bytes`
    contains: builtins.bytes = b""
    times: int = 1_000_000
    hits: int = 0


@dataclass(slots=True)
class Proxy:
    """Listens on `port` for `target`. Change `weather` at any time; call `heal` in the proxy's own loop."""

    target: int
    port: int = 0
    weather: Weather = field(default_factory=Weather)
    _listener: asyncio.Server | None = None
    _links: set[_Link] = field(default_factory=set)
    _swallowed: set[asyncio.StreamWriter] = field(default_factory=set)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    def heal(self) -> None:
        """Fine weather. A peer that comes back resets what it does not know, so swallowed connections are reset."""
        self.weather = Weather()
        for listener in self._listeners():
            hear_again(listener)
        for writer in list(self._swallowed):
            hear_again(writer.get_extra_info("socket"))
            _reset(writer)
        self._swallowed.clear()

    def fall_silent(self, *, new_too: bool) -> int:
        """Swallow every packet of the connections that there are, of either side, and of new ones if `new_too`.

        Nothing is reset or closed, and no keepalive is answered, until `heal`. Returns how many connections that are; call in
        the proxy's own loop.
        """
        for link in self._links:
            link.fall_silent()
        if new_too:
            for listener in self._listeners():
                deafen(listener)
        return len(self._links)

    def server_gives_up(self) -> None:
        """The server ends its side of the silent connections; the clients are not told."""
        for link in list(self._links):
            link.end_at_the_server()

    def cut(self) -> None:
        """Reset the connections that there are."""
        for link in list(self._links):
            link.cut()

    def _listeners(self) -> Sequence[Any]:
        return self._listener.sockets if self._listener is not None else ()

    async def close(self) -> None:
        """End every connection."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        task = asyncio.ensure_future(self._pass_on(reader, writer))
        self._connections.add(task)
        try:
            await task
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            self._connections.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = self.weather
        if weather.kind == "refuse":
            weather.hits += 1
            _reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        link = _Link(self, writer, up_writer)
        self._links.add(link)
        try:
            await asyncio.gather(link.pump("up", reader, up_writer), link.pump("down", up_reader, writer))
        finally:
            self._links.discard(link)
        if not link.swallowed:
            for end in (writer, up_writer):
                end.close()


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._seen = {"up": 0, "down": 0}
        self._deaf = self.swallowed = False

    def fall_silent(self) -> None:
        self.swallowed = True
        for end in (self._client, self._server):
            deafen(end.get_extra_info("socket"))
            self._proxy._swallowed.add(end)

    def end_at_the_server(self) -> None:
        if self._server in self._proxy._swallowed:
            _reset(self._server)

    def cut(self) -> None:
        self.swallowed = True
        _reset(self._client)
        _reset(self._server)

    async def pump(self, direction: Literal["up", "down"], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(65536):
                self._seen[direction] += len(data)
                await self._weather(direction, data, writer)
        if not self.swallowed:
            with suppress(OSError, RuntimeError):
                writer.write_eof()

    async def _weather(self, direction: Literal["up", "down"], data: bytes, writer: asyncio.StreamWriter) -> None:
        weather = self._proxy.weather
        if self.swallowed:
            return
        if self._deaf and direction == "down":
            _reset(self._client)
            return
        if weather.kind == "latency":
            weather.hits += 1
            await asyncio.sleep(weather.seconds)
        elif self._is_met(weather, direction, data):
            weather.hits += 1
            if self._strike(weather):
                return
        writer.write(data)
        await writer.drain()

    def _is_met(self, weather: Weather, direction: str, data: bytes) -> bool:
        if weather.kind in ("pass", "refuse") or direction != weather.direction or weather.hits >= weather.times:
            return False
        return weather.contains in data if weather.contains else self._seen[direction] > weather.bytes

    def _strike(self, weather: Weather) -> bool:
        """Whether the piece that met it is lost."""
        match weather.kind:
            case "reset":
                _reset(self._client)
                _reset(self._server)
            case "black_hole" | "half_open":
                self.swallowed = True
                self._proxy._swallowed.add(self._client)
                if weather.kind == "half_open":
                    _reset(self._server)
                else:
                    self._proxy._swallowed.add(self._server)
            case "drop_answer":
                self._deaf = True
                return False
        return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if writer.transport is not None:
        writer.transport.abort()


@asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    """A proxy before 127.0.0.1:`target`."""
    proxy = Proxy(target)
    server = proxy._listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
