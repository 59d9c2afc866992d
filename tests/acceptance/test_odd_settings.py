"""A chunk's whole life under a role, or in a database, whose settings are all at odd values, and whose encoding is not UTF8."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.acceptance.api_client import api_client
from tests.acceptance.conftest import open_service
from tests.odd_settings import ODD, give

if TYPE_CHECKING:
    from dev.lake_emulator import Emulator
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.usefixtures("at_once")

MESSWERTE = Relation("Größen", "Meßwerte")
SCHEMA = """
create schema "Größen";
create type "Größen"."Stück" as ("Preis" money, "Länge" float8, "bis" timestamptz, "Übel" bytea);
"""
TABLE = """
create table "Größen"."Meßwerte" (
    "Zeit" timestamptz not null, "Länge" float8, "Kürze" real, "Menge" numeric, "Preis" money, "Tag" date, "Dauer" interval,
    "Schlüssel" bytea, "Straße" text, "Wörter" text[], "Zahlen" float8[], "Momente" timestamptz[], "Akte" $xml, "Stück"
    "Größen"."Stück", "Spanne" tstzrange, "Uhr" timetz, "Angaben" jsonb, "leer" text
)
"""
PARTITIONS = """
create table "Größen"."Jänner" partition of "Größen"."Meßwerte" for values from ('2026-01-01Z') to ('2026-02-01Z');
create table "Größen"."März" partition of "Größen"."Meßwerte" for values from ('2026-03-01Z') to ('2026-04-01Z');
"""
ROWS = r"""
insert into "Größen"."Meßwerte"
select t, 0.1 + extract(epoch from t) / 3, 1.1, 1234.5600, 1234.56, '2026-01-31', '1 year -2 days 03:04:05.000006',
       '\x00ff5c27', 'Straße \ ''Übung''', array['ä', null, 'NULL', 'a\b'], array[0.1, 1e-300, null], array[t, 'infinity'],
       'vor <a>ü</a> nach', row(1234.56, 0.1, t, '\x5c00')::"Größen"."Stück", tstzrange(t, null), '10:00+05:45',
       '{"Größe": "ß\\", "n": 1.50}', null
from generate_series(timestamptz '2026-01-01Z', '2026-01-04Z', '1 hour') t;
insert into "Größen"."Meßwerte" ("Zeit", "Länge", "Tag", "Straße", "leer") values
    ('2026-01-05Z', 'NaN', 'infinity', null, ''), ('2026-03-05Z', '-0', '0044-03-15 BC', E'\n\t\x01', ' ');
"""
ROW_COUNT = 75
EVERYTHING = 'select r::text, md5(r::text) from "Größen"."Meßwerte" r order by "Zeit"'
#: how the test itself sees values
PLAIN = "-c datestyle=ISO -c timezone=UTC -c extra_float_digits=3"


def of_server(service: Service, statement: str) -> str:
    """`statement`, with text in the place of XML where the server is built without."""
    try:
        service.rows("select xml '<a/>'")
    except psycopg.errors.FeatureNotSupported:
        return statement.replace("$xml", "text")
    return statement.replace("$xml", "xml")


@dataclass
class Odd:
    """A server with a role and databases of the test's own, and how to get there."""

    admin_url: str
    role: str
    password: str

    def url(self, database: str) -> str:
        info = psycopg.conninfo.conninfo_to_dict(self.admin_url)
        return f"postgresql://{self.role}:{self.password}@{info['host']}:{info['port']}/{database}"

    def admin(self, database: str) -> psycopg.Connection[Any]:
        """A superuser's connection; what is set for a role or a database later does not reach it."""
        url = make_conninfo(self.admin_url, dbname=database, options=PLAIN, client_encoding="UTF8")
        return psycopg.connect(url, autocommit=True)


@contextmanager
def odd_server(admin_url: str, databases: list[str], encoding: str, *, superuser: bool = False) -> Iterator[Odd]:
    token = uuid4().hex[:10]
    odd = Odd(admin_url, f"odd_{token}", f"secret-{token}")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        privileges = "superuser" if superuser else ""
        admin.execute(f"create role {odd.role} login {privileges} password '{odd.password}'".encode())
        for name in databases:
            # "C" is the one locale that goes with every encoding
            admin.execute(
                f"create database {name} owner {odd.role} encoding '{encoding}' locale 'C' template template0".encode()
            )
        try:
            yield odd
        finally:
            for name in databases:
                admin.execute(f"drop database {name} with (force)".encode())
            admin.execute(f"drop role {odd.role}".encode())


@pytest.fixture(params=["role", pytest.param("database", marks=pytest.mark.slow)])
def whose(request: pytest.FixtureRequest) -> str:
    """Whose the settings are."""
    return str(request.param)


@pytest.fixture(params=["ledger inside", pytest.param("ledger apart", marks=pytest.mark.slow)])
async def odd_service(
    request: pytest.FixtureRequest,
    whose: str,
    source_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Service]:
    """A service whose role, or whose databases, have every setting at an odd value, in databases that are in LATIN1."""
    source, ledger = (f"{name}_{uuid4().hex[:8]}" for name in ("source", "ledger"))
    with odd_server(source_database_url, [source, ledger], "LATIN1") as odd:
        if request.param == "ledger apart":
            monkeypatch.setenv("LEDGER_DATABASE_URL", odd.url(ledger))
        with odd.admin(source) as owner:
            for whom in [f"ROLE {odd.role}"] if whose == "role" else [f"DATABASE {source}", f"DATABASE {ledger}"]:
                give(owner, whom, ODD)
            owner.execute(f"set role {odd.role}".encode())
            owner.execute(SCHEMA)
            async for service in open_service(
                odd.url(source), redis_url, storage_connection, emulator, monkeypatch, schema="Größen"
            ):
                service.admin = owner
                yield service


async def life(service: Service) -> None:
    """Archive, remove and restore all that the table has; people look on meanwhile."""
    async with api_client() as client:
        listed = (await client.get("/chunks", params={"hypertable": str(MESSWERTE)})).raise_for_status().json()
        chunks = len(listed["chunks"])
        assert chunks == 2
        await service.publish(hypertable=str(MESSWERTE), older_than="2026-05-01T00:00:00Z", remove=True)
        await service.work()
        jobs = (await client.get("/jobs")).raise_for_status().json()["jobs"]
        assert [(job["status"], job["error"]) for job in jobs] == [("archived", None)] * chunks
        assert sum(job["rows"] for job in jobs) == ROW_COUNT
        assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == chunks
        assert service.rows(EVERYTHING) == []

        wish = RestoreRequest(MESSWERTE, None, ChunkRange(None, None), RestoreWish(), uuid4().hex, "ein Prüfer")
        assert len(await service.runtime.restore_requests.request(wish)) == chunks
        assert await service.restore() == []
        for page in ("/dashboard/overview", "/dashboard/hypertables", "/metrics", "/health/ready", "/policies"):
            (await client.get(page)).raise_for_status()
    assert (await service.runtime.verification.verify_due(timedelta(minutes=1))).damaged == {}


async def test_a_whole_life_under_odd_settings(odd_service: Service) -> None:
    service = odd_service
    service.execute(f'{of_server(service, TABLE)} partition by range ("Zeit")')
    service.execute(PARTITIONS)
    service.execute(ROWS)
    before = service.rows(EVERYTHING)
    assert len(before) == ROW_COUNT

    await life(service)
    assert service.rows(EVERYTHING) == before


@pytest.fixture
async def odd_timescaledb(
    timescaledb_url: str, redis_url: str, storage_connection: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """A service with a role and a database in LATIN1 of its own, on TimescaleDB; its `admin` is a superuser."""
    source = f"source_{uuid4().hex[:8]}"
    with odd_server(timescaledb_url, [source], "LATIN1") as odd:
        with odd.admin(source) as admin:
            admin.execute("create extension if not exists timescaledb")
        with odd.admin(source) as admin:  # the extension is loaded by now
            admin.execute(f"grant usage, create on schema public to {odd.role}".encode())
            admin.execute(f"set role {odd.role}".encode())
            admin.execute(SCHEMA)
            admin.execute("reset role")
            opened = open_service(odd.url(source), redis_url, storage_connection, emulator, monkeypatch, schema="Größen")
            async for service in opened:
                service.admin = admin
                yield service


def make_hypertable(service: Service, role: str) -> None:
    """The table as a hypertable with one chunk compressed where the edition can; owned by `role`."""
    service.execute(f"set role {role}")
    service.execute(of_server(service, TABLE))
    service.execute(
        """select public.create_hypertable('"Größen"."Meßwerte"', 'Zeit', chunk_time_interval => interval '30 days')"""
    )
    service.execute(ROWS)
    if service.rows("show timescaledb.license") == [("timescale",)]:
        service.execute('alter table "Größen"."Meßwerte" set (timescaledb.compress)')
        service.rows("""select public.compress_chunk(c)::text from public.show_chunks('"Größen"."Meßwerte"') c""")
    service.execute("reset role")


#: Under each of them a compressed chunk would look empty, or TimescaleDB would not be there at all.
BLINDING = [
    "timescaledb.enable_columnarscan=off",
    "timescaledb.enable_transparent_decompression=off",
    "timescaledb.disable_load=on",
]


@pytest.mark.timescaledb
@pytest.mark.parametrize("setting", ["every other one", *BLINDING])
async def test_a_hypertable_under_odd_settings(odd_timescaledb: Service, setting: str) -> None:
    service = odd_timescaledb
    [(role,)] = service.rows("select datdba::regrole::text from pg_database where datname = current_database()")
    name, _, value = setting.partition("=")
    make_hypertable(service, role)
    before = service.rows(EVERYTHING)
    assert len(before) == ROW_COUNT
    assert service.admin is not None
    if value:
        service.admin.execute(f"alter role {role} set {name} = {value}".encode())
    else:
        give(service.admin, f"ROLE {role}", ODD)

    await life(service)
    assert service.rows(EVERYTHING) == before
