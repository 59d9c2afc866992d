"""The proxy does to a connection what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Proxy, Weather, proxied


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
