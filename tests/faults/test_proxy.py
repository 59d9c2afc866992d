"""The proxy does to a connection what it says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Proxy, Weather, proxied
from tests.faults.silence import CAN_BE_SILENT


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Proxy, list[bytes]]]:
    """A server that answers with what it got, behind a proxy."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                got.append(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxied(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy, got
    server.close()


async def ask(proxy: Proxy, question: bytes, seconds: float = 5) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(question)
        return await asyncio.wait_for(reader.read(1000), seconds)
    finally:
        writer.transport.abort()


async def test_fine_weather() -> None:
    async with echo() as (proxy, _):
        assert await ask(proxy, b"hello") == b"hello"


async def test_the_answer_is_lost_and_the_question_is_not() -> None:
    async with echo() as (proxy, got):
        proxy.weather = Weather("drop_answer", contains=b"COMMIT", times=1)
        assert await ask(proxy, b"begin") == b"begin"
        with pytest.raises(ConnectionResetError):
            await ask(proxy, b"COMMIT")
        assert got == [b"begin", b"COMMIT"]
        assert await ask(proxy, b"COMMIT") == b"COMMIT"


@pytest.mark.parametrize("kind", ["refuse", "reset"])
async def test_a_reset(kind: str) -> None:
    async with echo() as (proxy, got):
        proxy.weather = Weather(kind)  # type: ignore[arg-type]
        with pytest.raises(ConnectionResetError):
            await ask(proxy, b"hello")
        assert got == []


@pytest.mark.parametrize("kind", ["black_hole", "half_open"])
async def test_silence_until_the_weather_is_fine_again(kind: str) -> None:
    async with echo() as (proxy, got):
        proxy.weather = Weather(kind)  # type: ignore[arg-type]
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1000), 0.3)
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1000), 5)
        assert got == []
        assert await ask(proxy, b"hello") == b"hello"


@pytest.mark.skipif(not CAN_BE_SILENT, reason="needs the kernel's socket filters")
async def test_a_silent_peer_acknowledges_nothing_until_it_is_back() -> None:
    async with echo() as (proxy, got):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await asyncio.wait_for(reader.read(1000), 5) == b"hello"
        assert proxy.fall_silent(new_too=True) == 1
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 300)
        writer.write(b"again")
        # a peer that acknowledged would be waited for
        with pytest.raises(TimeoutError, match="timed out"):
            await reader.read(1000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.open_connection("127.0.0.1", proxy.port), 0.3)
        proxy.heal()
        assert got == [b"hello"]
        assert await ask(proxy, b"hello") == b"hello"


async def test_connections_are_cut() -> None:
    async with echo() as (proxy, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.read(1000) == b"hello"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1000), 5)
        assert await ask(proxy, b"hello") == b"hello"
