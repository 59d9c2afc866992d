"""A server's disks: saved, put back, and its time lines, as backups and failovers do it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from dev.servers.postgres import PostgresServer
from tests.kit.copied_postgres import become_another


class Disks:
    """The data of one running server."""

    def __init__(self, server: PostgresServer, aside: Path) -> None:
        self._server, self._aside = server, aside
        self._process: Any = server._process
        with psycopg.connect(server.url) as connection:
            row = connection.execute("show data_directory").fetchone()
        assert row is not None
        self.data = Path(row[0])

    def restart(self) -> None:
        with self.stopped():
            pass

    def save(self) -> None:
        """A backup of the disks, as they are."""
        with self.stopped():
            shutil.rmtree(self._aside, ignore_errors=True)
            shutil.copytree(self.data, self._aside)

    def put_back(self) -> None:
        """The disks as they were when they were saved: no new timeline, the same transaction numbers again."""
        with self.stopped():
            for child in self.data.iterdir():
                shutil.rmtree(child) if child.is_dir() else child.unlink()
            shutil.copytree(self._aside, self.data, dirs_exist_ok=True)
            own_alike(self.data)

    def fail_over(self) -> None:
        """The same rows on the next timeline, as after the promotion of a standby."""
        with self.stopped():
            (self.data / "standby.signal").touch()
            own_alike(self.data)
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute("select pg_promote()")

    def become_another(self) -> None:
        """The same rows in the same tables on a server with another system identifier."""
        with self.stopped():
            become_another(self.data)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self._process.stop()
        yield
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._process.start()
        self._process.wait_until(self._server._answers, "PostgreSQL")


def own_alike(folder: Path) -> None:
    """Give all that is in `folder` to whoever owns the folder."""
    stat = folder.stat()
    for found in folder.rglob("*"):
        os.chown(found, stat.st_uid, stat.st_gid)
