"""Every connection of every driver begins alike, whatever the settings of its server, database and role."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from archival_core.clients.postgres import settings as postgres_settings
from archival_core.clients.postgres.database import Database
from archival_core.errors import TransientError
from archival_core.ledger.pool import LedgerPool
from archival_core.source.wire.driver import connected
from tests.odd_settings import ODD, ODD_OF_SUPERUSERS, give

PINNED: Final = {**postgres_settings.STARTUP, **postgres_settings.AFTERWARDS, "client_encoding": "UTF8"}
#: Kinds of settings that change what a statement costs, what is logged, or how tables are looked after, but no value and no
#: outcome of a statement.
LEFT_KINDS: Final = (
    "Query Tuning",
    "Resource Usage",
    "Reporting and Logging",
    "Statistics",
    "Vacuuming",
    "Write-Ahead Log",
    "Replication",
    "Lock Management",
    "Client Connection Defaults / Shared Library Preloading",
    "Connections and Authentication / Authentication",
    "Developer Options",
)
#: Settings of the other kinds that are left to the administrators, and why.
LEFT: Final = {
    "allow_alter_system": "we alter no system",
    "check_function_bodies": "we make no functions but the ledger's own",
    "client_connection_check_interval": "costs only; a platform may refuse it",
    "createrole_self_grant": "we make no roles",
    "default_text_search_config": "of functions in statements that are not ours",
    "default_toast_compression": "how values are stored, not what they are",
    "default_transaction_read_only": "overruled where a role or a database has it, and kept where the server has it: see BEGIN",
    "dynamic_library_path": "where libraries lie",
    "escape_string_warning": "a warning",
    "extension_control_path": "where extensions lie",
    "gin_pending_list_limit": "cost",
    "icu_validation_level": "we make no collations",
    "lc_messages": "errors are told by their SQLSTATE; people read their own language",
    "lo_compat_privileges": "we use no large objects",
    "synchronize_seqscans": "rows come in no promised order, but where a restore reads its own table, which says so",
    "temp_tablespaces": "where temporary files lie",
    "transaction_deferrable": "each transaction's own",
    "transaction_isolation": "each transaction's own",
    "transaction_read_only": "each transaction's own",
}


@contextmanager
def role_with(url: str, settings: dict[str, str], *, superuser: bool = False) -> Iterator[str]:
    """The server's URL as a role of the test's own that has `settings`."""
    role, given = f"odd_{uuid4().hex[:10]}", conninfo_to_dict(url)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"create role {role} login {'superuser' if superuser else ''} password 'secret'".encode())
        try:
            give(admin, f"ROLE {role}", settings)
            yield f"postgresql://{role}:secret@{given['host']}:{given['port']}/{given['dbname']}"
        finally:
            admin.execute(f"drop role {role}".encode())


async def over_psycopg(url: str, query: str) -> list[Any]:
    async with Database(url).connect() as connection:
        return [next(iter(row.values())) for row in await (await connection.execute(query.encode())).fetchall()]


async def over_the_pool(url: str, query: str) -> list[Any]:
    pool = LedgerPool(Database(url))
    pool.migrate = _nothing  # type: ignore[method-assign]  # the role may not make a ledger
    try:
        async with pool.connection() as connection:
            return [next(iter(row.values())) for row in await (await connection.execute(query.encode())).fetchall()]
    finally:
        await pool.close()


async def _nothing() -> None:
    """No migration."""


async def over_adbc(url: str, query: str) -> list[Any]:
    def read() -> list[Any]:
        with connected(url) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return [row[0] for row in cursor.fetchall()]

    return await asyncio.to_thread(read)


drivers = pytest.mark.parametrize("run", [over_psycopg, over_the_pool, over_adbc])
Run = Callable[[str, str], Any]


def test_every_setting_of_postgresql_is_pinned_or_left_for_a_reason(source_database_url: str) -> None:
    with psycopg.connect(source_database_url) as connection:
        settings = connection.execute(
            "select lower(name), category from pg_settings where context in ('user', 'superuser', 'backend')"
        ).fetchall()
    undecided = {
        name: category
        for name, category in settings
        if name not in PINNED and name not in LEFT and not category.startswith(LEFT_KINDS)
    }
    assert undecided == {}
    assert not PINNED.keys() & LEFT.keys()


@drivers
@pytest.mark.parametrize("superuser", [False, True])
async def test_every_session_has_the_pinned_settings(source_database_url: str, run: Run, superuser: bool) -> None:
    odd = ODD | (ODD_OF_SUPERUSERS if superuser else {})
    # those of the connection have no value in a parallel worker, which one of the odd settings asks for
    names = ", ".join(f"('{name}')" for name in PINNED if not name.startswith("tcp_"))
    query = (
        "select s.name || '=' || current_setting(s.name) from (values " + names + ") s (name)"
        " where current_setting(s.name, true) is not null"
    )
    with role_with(source_database_url, odd, superuser=superuser) as url:
        found = dict(line.split("=", 1) for line in await run(url, query))
        [read_only] = await run(url, "select current_setting('transaction_read_only')")
    assert found == {name: PINNED[name] for name in found}
    assert len(found) > 35
    assert read_only == "off"


@pytest.mark.parametrize(("name", "value"), ODD_OF_SUPERUSERS.items())
async def test_what_a_superuser_alone_may_take_back_is_refused(source_database_url: str, name: str, value: str) -> None:
    with role_with(source_database_url, {name: value}) as url:
        with pytest.raises(TransientError, match=f"{name}.*RESET") as refused:
            await over_psycopg(url, "select 1")
        assert refused.value.code == "database-setting"
        with pytest.raises(TransientError, match=name) as refused:
            await over_adbc(url, "select 1")
        assert refused.value.code == "source-unreachable"


async def test_a_pool_says_why_it_has_no_connection(source_database_url: str) -> None:
    """The role was altered after the pool had been opened."""
    with role_with(source_database_url, {"zero_damaged_pages": "on"}) as url:
        with pytest.raises(TransientError, match="zero_damaged_pages") as refused:
            await over_the_pool(url, "select 1")
        assert refused.value.code == "database-setting"


async def test_a_database_that_is_being_restored_is_refused(source_database_url: str) -> None:
    with role_with(source_database_url, {}) as url:
        with psycopg.connect(source_database_url, autocommit=True) as admin:
            admin.execute(f"alter role {conninfo_to_dict(url)['user']} set timescaledb.restoring = on".encode())
        with pytest.raises(TransientError, match="timescaledb_post_restore") as refused:
            await over_psycopg(url, "select 1")
    assert refused.value.code == "database-restoring"


@pytest.mark.timescaledb
async def test_a_server_that_does_not_load_timescaledb_is_refused(
    timescaledb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart without it in shared_preload_libraries."""
    monkeypatch.setattr(postgres_settings, "STARTUP", {**postgres_settings.STARTUP, "timescaledb.disable_load": "on"})
    with pytest.raises(TransientError, match="shared_preload_libraries") as refused:
        await over_psycopg(timescaledb_url, "select 1")
    assert refused.value.code == "database-restoring"


@drivers
async def test_a_server_that_is_read_only_stays_so(source_database_url: str, run: Run) -> None:
    """Azure does that to a server whose disk is nearly full; to write on would fill it."""
    with psycopg.connect(source_database_url, autocommit=True) as admin:
        admin.execute("alter system set default_transaction_read_only = on")
        admin.execute("select pg_reload_conf()")
        try:
            async with asyncio.timeout(30):
                while await run(source_database_url, "select current_setting('transaction_read_only')") != ["on"]:
                    await asyncio.sleep(0.1)
        finally:
            admin.execute("set default_transaction_read_only = off")
            admin.execute("alter system reset default_transaction_read_only")
            admin.execute("select pg_reload_conf()")


@drivers
async def test_options_of_the_url_are_kept(source_database_url: str, run: Run) -> None:
    url = f"{source_database_url}?options=-cwork_mem%3D5MB%20-cdatestyle%3DGerman"
    assert await run(url, "select current_setting('work_mem')") == ["5MB"]
    assert await run(url, "select current_setting('datestyle')") == ["ISO, YMD"]
