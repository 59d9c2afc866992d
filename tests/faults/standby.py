"""A standby of a server, and what takes over when it is promoted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from dev.servers.postgres import PostgresServer
from tests.kit.disks import own_alike

_PATIENCE_SECONDS = 30.0
_REPLAYED = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"


class Standby:
    """It follows its primary until it is promoted. It has every role, password and database of the primary."""

    def __init__(self, primary: PostgresServer, server: PostgresServer) -> None:
        self._primary, self.server = primary, server

    def catch_up(self) -> None:
        """Wait until it has all that the primary has committed."""
        with psycopg.connect(self._primary.url) as connection:
            row = connection.execute("select pg_current_wal_flush_lsn()::text").fetchone()
        assert row is not None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            while connection.execute(_REPLAYED, row).fetchone() != (True,):
                assert time.monotonic() < deadline, "the standby does not follow"
                time.sleep(0.02)

    def stop_following(self) -> None:
        """What the primary commits from now on, the standby will not have."""
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute("alter system set primary_conninfo = ''")
            connection.execute("select pg_reload_conf()")
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while connection.execute("select 1 from pg_stat_wal_receiver").fetchone():
                assert time.monotonic() < deadline, "the standby follows on"
                time.sleep(0.02)

    def promote(self) -> None:
        """It takes writes now, on a timeline of its own."""
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute("select pg_promote()")


@contextmanager
def standby_of(primary: PostgresServer, folder: Path) -> Iterator[Standby]:
    """A new standby, its data below `folder`, which caught up with the primary when it was made."""
    with psycopg.connect(primary.url, autocommit=True) as connection:
        row = connection.execute("show data_directory").fetchone()
        assert row is not None
        source, target = Path(row[0]), folder / "data"
        folder.mkdir()
        folder.chmod(0o755)
        connection.execute("select pg_backup_start('standby', true)")
        _copy(source, target)
        label = connection.execute("select labelfile from pg_backup_stop(false)").fetchone()
    assert label is not None
    (target / "backup_label").write_text(label[0])
    (target / "standby.signal").touch()
    password = urlsplit(primary.url).password or ""
    with (target / "postgresql.auto.conf").open("a") as settings:
        settings.write(
            f"\nprimary_conninfo = 'host=127.0.0.1 port={urlsplit(primary.url).port} user=postgres password={password}'\n"
        )
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text(password)
    target.chmod(0o700)
    shutil.chown(target, source.stat().st_uid, source.stat().st_gid)
    own_alike(target)
    with PostgresServer(folder) as server:
        standby = Standby(primary, server)
        standby.catch_up()
        yield standby


def _copy(source: Path, target: Path) -> None:
    """A file that goes while it is copied belongs to no backup: the log tells of it."""

    def copied(old: str, new: str) -> str:
        try:
            return shutil.copy2(old, new)
        except FileNotFoundError:
            return new

    shutil.copytree(source, target, copy_function=copied, ignore=shutil.ignore_patterns("postmaster.pid", "postmaster.opts"))
