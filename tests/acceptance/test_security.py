"""What a name or a role could do: nothing climbs out of SQL or of the lake, and the documented grants are enough."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation, quote_identifier
from tests.kit.log_records import events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dev.lake_emulator import Emulator
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.usefixtures("at_once")

GRANTS = Path(__file__).parents[2] / "docs" / "grants.sql"
HOSTILE = [
    'x"; drop table victims; --',
    "x'; drop table victims; --",
    "../../../etc/passwd",
    "..",
    "a/b\\c",
    "per%cent %s %(name)s {0} {}",
    "$s; $1",
    "Ünïcode 漢字 🙂",
    "new\nline\ttab",
    "_hidden.dot",
    "x" * 63,
    "é" * 31,
    "<img src=x onerror=alert(1)>",
]


async def restore_all(service: Service, hypertable: Relation) -> None:
    request = RestoreRequest(hypertable, None, ChunkRange(None, None), RestoreWish(), uuid4().hex, "a test")
    await service.runtime.restore_requests.request(request)
    await service.restore()


def below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


# every third of them
@pytest.mark.parametrize(
    "name", [name if place % 3 == 0 else pytest.param(name, marks=pytest.mark.slow) for place, name in enumerate(HOSTILE)]
)
async def test_a_hostile_name_is_only_a_name(any_service: Service, name: str, tmp_path: Path) -> None:
    service = any_service
    service.execute("create table $s.victims (v int); insert into $s.victims values (1)")
    table, column = Relation(service.schema, name), quote_identifier(name[:40] if len(name.encode()) == len(name) else name)
    with psycopg.connect(service.url, autocommit=True) as connection:
        by_range = " partition by range (time)" if not service.has_timescaledb else ""
        connection.execute(f"create table {table.sql} (time timestamptz not null, {column} text){by_range}".encode())
        if not service.has_timescaledb:
            partition = Relation(service.schema, f"p{name}"[:60] if name.isascii() else "p" + name[:29])
            bounds = "from ('2026-01-01Z') to ('2026-02-01Z')"
            connection.execute(f"create table {partition.sql} partition of {table.sql} for values {bounds}".encode())
        else:
            connection.execute("select create_hypertable(%s, 'time')", (table.sql,))
        quoted = table.sql.replace("%", "%%")
        connection.execute(f"insert into {quoted} values ('2026-01-02Z', %s), ('2026-01-03Z', null)".encode(), (name,))
        before = connection.execute(f"select * from {table.sql} order by 1".encode()).fetchall()

        await service.publish(hypertable=str(table), older_than="2026-03-01T00:00:00Z", remove=True)
        await service.work()
        [job] = service.jobs()
        assert (job["status"], job["error"]) == ("archived", None)
        assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
        assert connection.execute(f"select * from {table.sql}".encode()).fetchall() == []
        await restore_all(service, table)
        assert connection.execute(f"select * from {table.sql} order by 1".encode()).fetchall() == before
    assert service.rows("select * from $s.victims") == [(1,)]
    # one folder for the table and one for the chunk, whatever the names say
    files = below(service.lake)
    assert below(tmp_path) == files
    assert {len(file.relative_to(service.lake).parts) for file in files if file.suffix == ".parquet"} == {4}


@pytest.fixture
async def least_service(
    request: pytest.FixtureRequest,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Service]:
    """A service that connects as a role with exactly the documented grants, in a database of its own."""
    from tests.acceptance.conftest import open_service

    url = request.getfixturevalue("source_database_url" if request.param == "native" else "timescaledb_url")
    token = uuid4().hex[:8]
    names = {"archival_service": f"service_{token}", "data_owner": f"owner_{token}"}
    admin = psycopg.connect(url, autocommit=True)
    for role in names.values():
        admin.execute(f"create role {role} login password 'secret-{token}'".encode())
    admin.execute(f"create database least_{token}".encode())
    own = psycopg.connect(url, dbname=f"least_{token}", autocommit=True)
    if request.param == "timescaledb":
        own.execute("create extension if not exists timescaledb")
    own.execute(f"revoke create on schema public from public; create schema data authorization owner_{token}".encode())
    statements = GRANTS.read_text()
    for name, replacement in names.items():
        statements = statements.replace(name, replacement)
    own.execute(statements.encode())
    info = own.info
    role_url = f"postgresql://service_{token}:secret-{token}@{info.host}:{info.port}/least_{token}"
    try:
        async for service in open_service(role_url, redis_url, storage_connection, emulator, monkeypatch, schema="data"):
            service.admin = own
            own.execute(f"set role owner_{token}".encode())
            yield service
    finally:
        own.close()
        admin.execute(f"drop database least_{token} with (force)".encode())
        for role in names.values():
            admin.execute(f"drop role {role}".encode())
        admin.close()


TABLE = "create table data.readings (time timestamptz not null, value int)"
ROWS = "insert into data.readings select timestamptz '2026-01-01Z' + i * interval '1 hour', i from generate_series(0, 99) i"


@pytest.mark.parametrize("least_service", ["native", "timescaledb"], indirect=True)
async def test_the_documented_grants_are_enough(least_service: Service) -> None:
    service = least_service
    if service.has_timescaledb:
        service.execute(TABLE)
        service.execute("select create_hypertable('data.readings', 'time', chunk_time_interval => interval '30 days')")
    else:
        service.execute(f"{TABLE} partition by range (time)")
        service.execute("create table data.jan partition of data.readings for values from ('2025-12-20Z') to ('2026-02-01Z')")
    service.execute(ROWS)
    before = service.rows("select * from data.readings order by 1")
    await service.publish(hypertable="data.readings", older_than="2026-03-01T00:00:00Z", remove=True)
    await service.work()
    assert [job["status"] for job in service.jobs()] == ["archived"]
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    assert service.rows("select * from data.readings") == []
    await restore_all(service, Relation("data", "readings"))
    assert service.rows("select * from data.readings order by 1") == before
    if not service.has_timescaledb:
        # the partition that was made anew belongs to its table's owner, who may go on with it
        service.execute("alter table data.jan set (fillfactor = 90); drop table data.jan")
    # and what was not granted is refused
    with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(service.url) as connection:
        connection.execute("create schema other")


@pytest.mark.parametrize("least_service", ["native"], indirect=True)
async def test_rows_come_back_where_their_owner_may_make_no_tables(
    least_service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service = least_service
    service.execute(f"{TABLE} partition by range (time)")
    service.execute("create table data.jan partition of data.readings for values from ('2025-12-20Z') to ('2026-02-01Z')")
    service.execute(ROWS)
    before = service.rows("select * from data.readings order by 1")
    await service.publish(hypertable="data.readings", older_than="2026-03-01T00:00:00Z", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    [(owner, role)] = service.rows("select current_user::text, replace(current_user, 'owner', 'service')")
    assert service.admin is not None
    service.admin.execute("reset role")
    service.admin.execute(f"alter schema data owner to {role}; revoke all on schema data from {owner}".encode())
    service.admin.execute(f"grant usage on schema data to {owner}".encode())
    await restore_all(service, Relation("data", "readings"))
    assert service.rows("select * from data.readings order by 1") == before
    assert service.rows("select relowner::regrole::text from pg_class where relname = 'jan'") == [(role,)]
    assert events(caplog, "archival.partition.owner_lost") == [{"owner": owner}]


@pytest.mark.parametrize("least_service", ["native"], indirect=True)
async def test_without_ownership_it_archives_and_says_what_removal_needs(least_service: Service) -> None:
    service = least_service
    service.execute(f"{TABLE} partition by range (time)")
    service.execute("create table data.jan partition of data.readings for values from ('2025-12-20Z') to ('2026-02-01Z')")
    service.execute(ROWS)
    [(owner,)] = service.rows("select nspowner::regrole::text from pg_namespace where nspname = 'data'")
    assert service.admin is not None
    service.admin.execute("reset role")
    service.admin.execute(f"revoke {owner} from {owner.replace('owner', 'service')}".encode())
    await service.publish(hypertable="data.readings", older_than="2026-03-01T00:00:00Z", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 0
    [job] = service.jobs()
    assert (job["status"], job["removal_error"]["code"]) == ("archived", "removal-not-permitted")
    assert "owner" in job["removal_error"]["message"]


OWNERS_CODE = """
create function a.f(x int) returns int language sql immutable as 'select x';
create function a.unused(x int) returns int language sql as 'select x';
create function a.t() returns trigger language plpgsql as 'begin return new; end';
create domain a.d as int check (a.f(value) = value);
create table a.r (v int default a.f(1), g int generated always as (a.f(v)) stored, d a.d, check (a.f(v) > 0));
create index on a.r (a.f(v));
create trigger tr before insert on a.r for each row execute function a.t();
create statistics a.s on a.f(v), v from a.r;
"""


def test_the_documented_query_lists_code_of_owners(own_database_url: str) -> None:
    [query] = re.findall(r"```sql\n(select p\.oid.*?)```", (GRANTS.parent / "security.md").read_text(), re.DOTALL)
    role = f"owner_{uuid4().hex[:8]}"
    with psycopg.connect(own_database_url, autocommit=True) as admin:
        assert admin.execute(query).fetchall() == [], "what belongs to the server is no owner's"
        admin.execute(f"create role {role}; create schema a authorization {role}; set role {role}".encode())
        try:
            admin.execute(OWNERS_CODE.encode())
            admin.execute("reset role")
            found = admin.execute(query).fetchall()
            assert {(function, owner) for function, owner, _ in found} == {("a.f(integer)", role), ("a.t()", role)}
            kinds = ("check", "default value", "generated", "index", "statistics", "trigger")
            told = "\n".join(f"{where} {'generated' if 'column g' in where else ''}" for _, _, where in found)
            assert [kind for kind in kinds if kind not in told] == []
        finally:
            admin.execute(f"reset role; drop owned by {role} cascade; drop role {role}".encode())
