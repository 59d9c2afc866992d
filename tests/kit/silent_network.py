"""A server behind a network of its own, whose packets can be swallowed: by the kernel, so that nothing acknowledges them."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.faults.proxy import Proxy

#: Of this process's own: workers run tests side by side.
_OWN: Final = os.getpid() % 250
#: Two addresses of a range that is for tests of networks.
_HERE, _THERE = f"198.18.{_OWN}.1", f"198.18.{_OWN}.2"
_NAME: Final = f"archival-{_OWN}"
_LINK: Final = (f"archival{_OWN}a", f"archival{_OWN}b")


@dataclass
class SilentNetwork:
    """`host` and `port` lead to the server until `cut`."""

    host: str
    port: int

    def cut(self) -> None:
        """From now on no packet comes back, and nobody is told."""
        _ip("-n", _NAME, "route", "add", "blackhole", f"{_HERE}/32")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _listener() -> socket.socket:
    """A socket of the other network; the calling thread is back in its own network afterwards."""
    with Path("/proc/thread-self/ns/net").open() as own, Path(f"/run/netns/{_NAME}").open() as other:
        os.setns(other.fileno(), os.CLONE_NEWNET)
        try:
            return socket.create_server((_THERE, 0))
        finally:
            os.setns(own.fileno(), os.CLONE_NEWNET)


def _build() -> None:
    _ip("netns", "add", _NAME)
    _ip("link", "add", _LINK[0], "type", "veth", "peer", "name", _LINK[1], "netns", _NAME)
    _ip("addr", "add", f"{_HERE}/30", "dev", _LINK[0])
    _ip("link", "set", _LINK[0], "up")
    _ip("-n", _NAME, "addr", "add", f"{_THERE}/30", "dev", _LINK[1])
    _ip("-n", _NAME, "link", "set", _LINK[1], "up")


@asynccontextmanager
async def silent_network(target: int) -> AsyncIterator[SilentNetwork]:
    """A way to 127.0.0.1:`target` through another network. The test is skipped where none can be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root, and ip of iproute2, for a network of its own")
    try:
        _build()
    except subprocess.CalledProcessError as error:
        _ip("netns", "del", _NAME)
        pytest.skip(f"no network can be made here: {error.stderr.decode()}")
    try:
        listener = _listener()
        proxy = Proxy(target)
        server = await asyncio.start_server(proxy.serve, sock=listener)
        try:
            yield SilentNetwork(_THERE, listener.getsockname()[1])
        finally:
            server.close()
            await proxy.close()
    finally:
        _ip("netns", "del", _NAME)
