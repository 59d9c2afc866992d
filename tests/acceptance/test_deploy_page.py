"""docs/deploy.md followed to the letter, by an administrator like Azure's, who is no superuser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.acceptance.conftest import open_service
from tests.infra import containers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.lake_emulator import Emulator
    from dev.servers.postgres import PostgresServer

pytestmark = pytest.mark.usefixtures("at_once")

ROOT = Path(__file__).parents[2]
ADMIN = "somebody@example.com"
SECRET = "secret-of-the-test"
TABLE = Relation("data", "conditions")

#: What Azure's extension does: somebody else than the administrator makes the role, and may or may not grant the ADMIN option.
PRINCIPALS = """
create function public.pgaadauth_create_principal_with_oid(name text, oid text, kind text, admin boolean, mfa boolean)
returns text language plpgsql security definer as $$ begin
    execute format('create role %I login password ''secret-of-the-test''', name);
    {grant}
    return name;
end $$
"""
PARTITIONS = """
set role data_owner;
create table if not exists data.conditions (time timestamptz not null, device int, value double precision)
partition by range (time);
create table if not exists data.early partition of data.conditions for values from ('2026-01-01Z') to ('2026-01-02Z');
insert into data.conditions
select timestamptz '2026-01-01Z' + i * interval '1 minute', i, i from generate_series(0, 99) i
where not exists (select from data.conditions);
"""


@dataclass
class Page:
    """The page's fourth step on a server of ours, with the tools of its reader in place of Azure's."""

    url: str
    tools: Path
    has_timescaledb: bool

    def blocks(self) -> list[str]:
        """Its commands, block by block."""
        step = (ROOT / "docs/deploy.md").read_text().split("\n## 4. ")[1].split("\n## 5. ")[0]
        return re.findall(r"^```sh\n(.*?)^```", step, re.MULTILINE | re.DOTALL)

    def block(self, words: str) -> str:
        """The one that has these words, for this kind of source."""
        example = f" <<'SQL'\n{(ROOT / 'docs/example.sql').read_text()}SQL"
        [found] = {
            block for block in (text.replace(" -f docs/example.sql", example) for text in self.blocks()) if words in block
        }
        if self.has_timescaledb:
            return found.replace("interval '10 s'", "interval '10 minutes'")  # as many chunks of fewer rows
        if "create_hypertable" in found:
            return f"psql -d tsdb -v ON_ERROR_STOP=1 <<'SQL'\n{PARTITIONS}SQL\n"
        return found.replace('psql -d "$DATABASE" -c "create extension if not exists timescaledb"\n', "")

    def run(self, commands: str) -> None:
        """As bash, in the project's root; the first command that fails ends it."""
        server = urlsplit(self.url)
        values = {
            "DATABASE": "tsdb",
            "DATABASE_GROUP": "rg",
            "SERVER": "server",
            "IDENTITY": str(uuid4()),
            "DATABASE_ADMIN_NAME": ADMIN,
        }
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            **values,
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "PGHOST": str(server.hostname),
            "PGPORT": str(server.port),
        }
        script = f"set -e; export PGUSER='{ADMIN}' PGPASSWORD={SECRET}\n{commands}"
        done = subprocess.run(["bash", "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def as_administrator(self, statements: str) -> None:
        with psycopg.connect(self.url, user=ADMIN, password=SECRET, dbname="tsdb", autocommit=True) as connection:
            connection.execute(statements.encode())


def _tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def native_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of the module's own, since the page's names of databases and roles are the server's."""
    from tests.kit.copied_postgres import CopiedPostgres

    with CopiedPostgres(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(params=["native", pytest.param("native-admin-option", marks=pytest.mark.slow), "timescaledb"])
def page(request: pytest.FixtureRequest, native_server: PostgresServer, tmp_path: Path) -> Iterator[Page]:
    """The databases as the template leaves them."""
    has_timescaledb = request.param == "timescaledb"
    url = request.getfixturevalue("timescaledb_url") if has_timescaledb else native_server.url
    grant = (
        f"execute format('grant %I to \"{ADMIN}\" with admin option', name);" if request.param == "native-admin-option" else ""
    )
    with psycopg.connect(url, autocommit=True) as superuser:
        clean(superuser)
        superuser.execute("create role azure_pg_admin")
        superuser.execute(
            f"create role \"{ADMIN}\" login createrole createdb password '{SECRET}' in role azure_pg_admin".encode()
        )
        superuser.execute("create database tsdb owner azure_pg_admin")
        superuser.execute(PRINCIPALS.format(grant=grant).encode())
        _tool(
            tmp_path,
            "az",
            f'case "$*" in\n*get-access-token*) echo {SECRET} ;;\n{containers.branch(tmp_path / "containers")}esac',
        )
        _tool(tmp_path, "curl", "echo 127.0.0.1")
        _tool(tmp_path, "psql", f'PGSSLMODE=disable exec {native_server.binaries}/psql "$@"')
        try:
            yield Page(url, tmp_path, has_timescaledb)
        finally:
            clean(superuser)


def clean(superuser: psycopg.Connection[Any]) -> None:
    superuser.execute("drop database if exists tsdb with (force)")
    superuser.execute("drop function if exists public.pgaadauth_create_principal_with_oid")
    for role in ("archival_reader", "archival_service", "data_owner", ADMIN, "azure_pg_admin"):
        superuser.execute(f'drop role if exists "{role}"'.encode())


async def archived_removed_restored(
    page: Page, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the role that the page has made."""
    server = urlsplit(page.url)
    url = f"postgresql://archival_service:{SECRET}@{server.hostname}:{server.port}/tsdb"
    async for service in open_service(url, redis_url, storage_connection, emulator, monkeypatch, schema="data"):
        before = service.rows("select * from data.conditions order by time, device")
        until = "2026-01-02T00:00:00Z" if not page.has_timescaledb else _oldest_end(service.url)
        await service.publish(hypertable=str(TABLE), older_than=until, remove=True)
        await service.work()
        assert {job["status"] for job in service.jobs()} == {"archived"}
        removed = (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed
        assert removed == len(service.jobs()) > 0, [job["removal_error"] for job in service.jobs()]
        assert len(service.rows("select * from data.conditions")) < len(before)
        request = RestoreRequest(TABLE, None, ChunkRange(None, None), RestoreWish(), uuid4().hex, "a test")
        await service.runtime.restore_requests.request(request)
        assert await service.restore() == []
        assert service.rows("select * from data.conditions order by time, device") == before


def _oldest_end(url: str) -> str:
    with psycopg.connect(url) as connection:
        [(end,)] = connection.execute(
            "select min(range_end) at time zone 'UTC' from timescaledb_information.chunks where hypertable_schema = 'data'"
        ).fetchall()
    return f"{end:%Y-%m-%dT%H:%M:%SZ}"


async def test_the_page_leads_to_a_chunk_that_is_archived_removed_and_restored(
    page: Page, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        page.run(page.block("pgaadauth"))
        page.run(page.block("-f docs/grants.sql"))
        page.run(page.block("create table"))
    await archived_removed_restored(page, redis_url, storage_connection, emulator, monkeypatch)
    # again after the service has made its schemas and tables
    page.run(page.block("-f docs/grants.sql"))


@pytest.mark.parametrize("network", ["private", pytest.param("public", marks=pytest.mark.slow)])
async def test_the_hook_of_azd_leads_to_the_same(
    page: Page, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    values = {
        "RESOURCE_GROUP": "rg",
        "DATABASE_SERVER": "server",
        "DATABASE_HOST": "$PGHOST",
        "IDENTITY_OBJECT_ID": "$IDENTITY",
        "DATABASE_ADMIN_NAME": ADMIN,
        "PRIVATE_NETWORKING": "false" if network == "public" else "true",
        "TOOLS_SUBNET_ID": "/subnets/tools",
    }
    exports = "\n".join(f'export {name}="{value}"' for name, value in values.items())
    hooks = page.tools / "infra/hooks"
    shutil.copytree(ROOT / "infra/hooks", hooks)
    (page.tools / "docs").symlink_to(ROOT / "docs")
    if not page.has_timescaledb:
        database = (hooks / "database.sql").read_text()
        (hooks / "database.sql").write_text(database.replace("create extension if not exists timescaledb;", ""))
    for _ in range(2):
        page.run(f"{exports}\nsh {hooks}/postprovision.sh | grep -F 'The service may archive, remove and restore'")
    made = [call[1] for call in containers.calls(page.tools / "containers")]
    assert made.count("create") == (2 if network == "private" else 0)
    page.run(page.block("create table"))
    await archived_removed_restored(page, redis_url, storage_connection, emulator, monkeypatch)


async def test_tables_that_the_administrator_has_made_pass_to_the_owner(
    page: Page, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.run(page.block("pgaadauth"))
    page.run('psql -d tsdb -c "create schema data"')
    page.run(page.block("create table").replace("set role data_owner;", ""))
    for _ in range(2):
        page.run(page.block("-f docs/grants.sql"))
        page.run(page.block("reassign owned"))
    await archived_removed_restored(page, redis_url, storage_connection, emulator, monkeypatch)
    # and the administrator goes on with them
    page.as_administrator("alter table data.conditions add column note text")


async def test_tables_of_an_applications_own_role(
    page: Page, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's `sed`, with the names of a schema and a role that were there before."""
    page.run(page.block("pgaadauth"))
    page.as_administrator(
        "create role data_owner; grant data_owner to current_user; create schema data authorization data_owner"
    )
    page.run(page.block("create table"))
    command = page.block("sed -e").replace("/app/", "/data_owner/").replace(" public /", " data /")
    page.run(command)
    await archived_removed_restored(page, redis_url, storage_connection, emulator, monkeypatch)


def test_the_names_of_the_page_are_put_in_everywhere() -> None:
    step = (ROOT / "docs/deploy.md").read_text()
    [command] = re.findall(r"^(sed -e .* docs/grants\.sql) \| psql", step, re.MULTILINE)
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    statements = "\n".join(line for line in done.stdout.splitlines() if not line.lstrip().startswith("--"))
    assert "data_owner" not in statements
    assert re.findall(r"\bdata\b", statements) == []
    assert statements.count("SCHEMA public") == 6
