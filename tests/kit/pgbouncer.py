"""PgBouncer before a database, in any mode."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from dev.servers.processes import Process, accepts_connections, free_port

#: what clients call the database behind
DATABASE = "for_service"


def program() -> str | None:
    """Where PgBouncer is, if it is installed (`apt-get install pgbouncer`)."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pgbouncer(url: str, folder: Path, **settings: str) -> Iterator[int]:
    """Its port; `url` is that of the database behind."""
    found = program()
    assert found is not None, "needs PgBouncer: apt-get install pgbouncer"
    parts, port = urlsplit(url), free_port()
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()  # it refuses to run as root
    said = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
        "logfile": "",
        **settings,
    }
    target = f"host=127.0.0.1 port={parts.port} dbname={parts.path[1:]} user={parts.username} password={parts.password}"
    text = "\n".join(
        [f"[databases]\n{DATABASE} = {target}\n[pgbouncer]", *(f"{name} = {value}" for name, value in said.items())]
    )
    file = Path("/tmp") / f"pgbouncer-{port}.ini"  # noqa: S108  by another user than this process's
    file.touch(mode=0o600)
    os.chown(file, user, -1)
    file.write_text(text)
    try:
        with Process([found, "-q", str(file)], folder / f"pgbouncer-{port}.log", user=user) as process:
            process.wait_until(lambda: accepts_connections(port), "PgBouncer")
            yield port
    finally:
        file.unlink()
