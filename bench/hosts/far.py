"""A server that is far away: `python -m bench.hosts.far PORT SECONDS PORT_FILE` passes on what comes, each way up later.

The way holds as much as comes: what is late does not hold back what comes behind it, as on a long line.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_PIECE = 256 * 1024


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                on_the_way.put_nowait((loop.time() + seconds, data))
        on_the_way.put_nowait((loop.time() + seconds, b""))

    taking = asyncio.create_task(take())
    try:
        while True:
            due, data = await on_the_way.get()
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        taking.cancel()
        with suppress(OSError, RuntimeError):
            writer.write_eof()


@asynccontextmanager
async def far(target: int, seconds: float) -> AsyncIterator[int]:
    """The port at which 127.0.0.1:`target` is that far away."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_passed_on(reader, up_writer, seconds), _passed_on(up_reader, writer, 0))
        for end in (writer, up_writer):
            end.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _main(target: int, seconds: float, tell: Callable[[str], object]) -> None:
    async with far(target, seconds) as port:
        tell(str(port))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]).write_text))
