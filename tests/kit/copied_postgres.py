"""PostgreSQL servers whose data is copied: `initdb` takes ten times as long as a copy of what it once made."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from dev.servers.postgres import PostgresServer

#: https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4, its bits turned around
_CASTAGNOLI = 0x82F63B78
#: The control file is longer, by zeros behind the checksum.
_LONGEST_CONTROL = 512
#: Where the first page of a WAL segment names the system: behind magic, flags, timeline, address and the rest of a record.
_SYSTEM_IN_WAL = 24


class CopiedPostgres(PostgresServer):
    """As `PostgresServer`, with a system identifier of its own too; all servers of one process have the same password.

    With `original`, the folder with `data` and `password` of a server that has ended, it is that server, put back here.
    """

    def __init__(self, folder: Path, original: Path | None = None) -> None:
        super().__init__(folder)
        self._original = original

    def _password(self) -> str:
        if not (self._folder / "password").exists():
            shutil.copy((self._original or _made_once()) / "password", self._folder / "password")
        return super()._password()

    def _initialise(self, binaries: Path, data: Path, password: str, user: int | None) -> None:
        original = (self._original or _made_once()) / "data"
        if not original.exists():
            super()._initialise(binaries, original, password, user)
        shutil.rmtree(data, ignore_errors=True)
        # with its owner and its rights
        subprocess.run(["cp", "-a", original, data], check=True)
        if self._original is None:
            become_another(data)


@cache
def _made_once() -> Path:
    """The folder of the original, until this process ends."""
    folder = Path(mkdtemp(prefix="archival-postgres-"))
    # the server's user goes through it; its data are closed to others all the same
    folder.chmod(0o755)
    owner = os.getpid()
    # who is forked off does not end it
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(secrets.token_urlsafe(24))
    return folder


def become_another(data: Path) -> None:
    """Give the stopped server over `data` an identifier as if `initdb` had made it: in the control file and in the log."""
    identifier = secrets.randbits(62).to_bytes(8, sys.byteorder)
    control = data / "global" / "pg_control"
    content = bytearray(control.read_bytes())
    end = next(end for end, checksum in _checksums(bytes(content[:_LONGEST_CONTROL])) if content[end : end + 4] == checksum)
    content[:8] = identifier
    content[end : end + 4] = dict(_checksums(bytes(content[:end])))[end]
    control.write_bytes(content)
    for segment in (data / "pg_wal").glob("0*"):
        with segment.open("r+b") as file:
            file.seek(_SYSTEM_IN_WAL)
            file.write(identifier)


def _checksums(content: bytes) -> list[tuple[int, bytes]]:
    """The CRC-32C of each beginning of `content` that ends before a possible checksum."""
    found, state = [], 0xFFFFFFFF
    for position, byte in enumerate(content, 1):
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (_CASTAGNOLI if state & 1 else 0)
        if position % 4 == 0:
            found.append((position, (state ^ 0xFFFFFFFF).to_bytes(4, sys.byteorder)))
    return found
