"""Real servers for the tests: started once a session, on free ports, and gone with it."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from dev.lake_emulator import Emulator, serve
from tests.kit.examples import LONG
from tests.kit.selection import FOUND

# how fast examples come says something about the machine, nothing about the code
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(LONG, settings.get_profile("any machine"))
settings.load_profile("any machine")


#: A file system in memory, as Linux has one.
_IN_MEMORY = Path("/dev/shm")  # noqa: S108
#: Folders whose files each make once what takes long: pages, servers with the traces of whole runs, a copy of the project.
_MADE_ONCE = frozenset({"browser", "faults", "mutants"})


def pytest_configure() -> None:
    """What tests write for a moment is in memory: a file that is made on a disk costs the system many times as much.

    The workers and all processes that tests start find the place as this one does.
    """
    if "TMPDIR" not in os.environ and _has_room_in_memory():
        os.environ["TMPDIR"] = str(_IN_MEMORY)
        tempfile.tempdir = None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: the garbage collector need not look through it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before what `-m` leaves out is left out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers run the tests side by side, each with servers of its own; what shares one goes to the same worker.

    Groups come first, in the order that `_turn` gives: one that came last would keep a single worker busy long after the
    others have ended.
    """
    for item in items:
        if needs_timescaledb(item):
            item.add_marker(pytest.mark.timescaledb)
            # transactions of one test keep another's chunk from being resumed
            item.add_marker(pytest.mark.xdist_group("timescaledb"))
        elif item.path.parent.name in _MADE_ONCE:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.name}"))
    below = f"{Path(__file__).parent}{os.sep}"
    config.stash[FOUND] = {
        f"{str(item.path).removeprefix(below)}::{item.name}": item.get_closest_marker("slow") is not None for item in items
    }
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Of what the modules of the console stand on, the first of them makes the most: others do something else meanwhile."""
    if (group := item.get_closest_marker("xdist_group")) is None:
        return 3
    if not group.args[0].startswith("browser/"):
        return 1
    return 0 if group.args[0] == "browser/test_accessibility.py" else 2


def needs_timescaledb(item: pytest.Item) -> bool:
    """Whether a test asks for the real server: by its fixtures, or as the parameter of a fixture for either kind of source."""
    parameters = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return "timescaledb_url" in getattr(item, "fixturenames", ()) or "timescaledb" in parameters


@pytest.fixture(scope="session")
def source_database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of the tests' own, or the one named by TEST_POSTGRESQL_URL (a superuser's)."""
    if url := os.environ.get("TEST_POSTGRESQL_URL"):
        yield url
        return
    from tests.kit.copied_postgres import CopiedPostgres

    with CopiedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            # its transactions come when they like, and while one is open a row that is written looks newer than it is
            connection.execute("alter system set autovacuum = off")
            # a database cannot be dropped while a client that has fallen silent has yet to say who it is
            connection.execute("alter system set authentication_timeout = '10s'")
            connection.execute("select pg_reload_conf()")
        yield server.url


def _has_room_in_memory() -> bool:
    """Whether all workers can have their files there, programs among them."""
    if not _IN_MEMORY.is_dir() or os.statvfs(_IN_MEMORY).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(_IN_MEMORY).free > 16 * 2**30


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey server of the tests' own."""
    from dev.servers.valkey import ValkeyServer

    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture(scope="session")
def storage_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Azurite queue service of the tests' own; the package is installed once below `.local/`."""
    from dev.servers.azurite import AzuriteServer

    with AzuriteServer(tmp_path_factory.mktemp("azurite")) as server:
        yield server.connection_string


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    """A lake emulator over an empty folder."""
    async with serve(tmp_path / "lake") as running:
        yield running


@pytest.fixture(scope="session")
def timescaledb_url() -> str:
    """The server named by TEST_TIMESCALEDB_URL; without it the test is skipped, visibly."""
    url = os.environ.get("TEST_TIMESCALEDB_URL", "")
    if not url:
        pytest.skip("needs a real TimescaleDB: set TEST_TIMESCALEDB_URL")
    return url
