"""Whatever becomes of a table, its archived rows are asked under its present name, columns and types."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.errors import AwayError, PermanentError
from archival_core.lake.arrow_files import arrow_files
from archival_core.lake.client import LakehouseClient
from archival_core.query.queries import Queries
from tests.acceptance.conftest import Service
from tests.kit.asking import WORKERS, asked, queries_of

TABLE = """
create table $s.readings (time timestamptz not null, device text, value int, price numeric(10,2), extra text)
partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings select t, 'd' || n, n, n / 4.0, 'x'
from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', '1 day') with ordinality as g (t, n);
"""

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


async def remove(service: Service, table: str, *chunks: str) -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.{table}", chunk=f"{service.schema}.{chunk}", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == len(chunks)


async def test_columns_that_were_renamed_dropped_added_and_retyped(service: Service) -> None:
    service.execute(TABLE)
    await remove(service, "readings", "jan")
    service.execute(
        """alter table $s.readings rename value to reading; alter table $s.readings drop extra;
        alter table $s.readings alter price type numeric(12,4); alter table $s.readings alter reading type bigint;
        alter table $s.readings add unit text default 'metre'; alter table $s.readings add note text;
        alter table $s.readings add extra int"""
    )
    queries = queries_of(service)
    wanted = "time in ('2026-01-02', '2026-02-02')"
    sql = f"select * exclude (time, device) from {service.schema}.readings where {wanted} order by time"
    found = (await asked(queries, sql)).result
    assert found.to_pylist() == [
        {"reading": 2, "price": pytest.approx(0.5), "unit": "metre", "note": None, "extra": None},
        {"reading": 33, "price": pytest.approx(8.25), "unit": "metre", "note": None, "extra": None},
    ]
    assert [str(kind) for kind in found.schema.types] == ["int64", "decimal128(12, 4)", "string", "string", "int32"]


async def test_a_type_that_old_values_do_not_fit_is_said(service: Service) -> None:
    service.execute(TABLE)
    await remove(service, "readings", "jan")
    service.execute("alter table $s.readings alter device type int using substr(device, 2)::int")
    sql = f"select max(device) from {service.schema}.readings where time {{}} '2026-02-01'"
    assert (await asked(queries_of(service), sql.format(">="))).result.to_pylist() == [{"max(device)": 90}]
    with pytest.raises(PermanentError) as refused:
        await asked(queries_of(service), sql.format("<"))
    assert "column device" in str(refused.value)


async def test_a_table_that_was_renamed_moved_and_made_again(service: Service) -> None:
    service.execute(TABLE)
    await remove(service, "readings", "jan")
    service.execute("alter table $s.readings rename to measured; create schema $s_2; alter table $s.measured set schema $s_2")
    try:
        count = "select count(*) as n from {}"
        moved = f"{service.schema}_2.measured"
        assert (await asked(queries_of(service), count.format(moved))).result.to_pylist() == [{"n": 90}]
        # another table under the old name has none of these rows, and may have archives of its own
        service.execute(TABLE.replace("$s.jan", "$s.jan2").replace("$s.feb", "$s.feb2").replace("$s.mar", "$s.mar2"))
        await remove(service, "readings", "jan2")
        for table in (moved, f"{service.schema}.readings"):
            answer = await asked(queries_of(service), count.format(table))
            assert (answer.result.to_pylist(), answer.figures.archives) == ([{"n": 90}], 1)
    finally:
        service.execute("drop schema $s_2 cascade")


async def test_files_that_hold_no_row_for_the_filters_are_not_opened(service: Service) -> None:
    service.execute(TABLE)
    await remove(service, "readings", "jan", "feb", "mar")
    queries = queries_of(service)
    [first] = (service.lake / "tables" / f"{service.schema}.readings").glob("*jan_r0/part-00000.parquet")
    first.unlink()
    table = f"{service.schema}.readings"
    for condition in (
        "time >= '2026-03-01'",
        "time > '2026-02-10' and time < '2026-02-12'",
        "time in (timestamptz '2026-02-10', timestamptz '2026-02-11')",
        "time >= date_trunc('month', timestamptz '2026-03-05')",
    ):
        answer = await asked(queries, f"select count(*) from {table} where {condition}")
        assert (answer.figures.archives_read, answer.figures.files_read) == (1, 1), condition
        assert answer.result.to_pylist()[0]["count_star()"] > 0
    answer = await asked(queries, f"select count(*) from {table} where time > '2030-01-01'")
    assert (answer.figures.archives, answer.figures.files_read) == (3, 0)
    # a file that is needed and gone is an error, and not fewer rows
    with pytest.raises(PermanentError) as gone:
        await asked(queries, f"select count(*) from {table}")
    assert gone.value.code == "archive-unreadable"


async def test_what_a_ledger_lost_is_found_in_the_lake(service: Service) -> None:
    service.execute(TABLE)
    await remove(service, "readings", "jan")
    service.forge_ledger("delete from archival.job")
    sql = f"select count(*) as n from {service.schema}.readings"
    assert (await asked(queries_of(service), sql)).result.to_pylist() == [{"n": 90}]
    # there are two copies of a manifest, and either will do
    outer, inner = _manifests(service)
    outer.write_bytes(outer.read_bytes() + b" ")
    assert (await asked(queries_of(service), sql)).result.to_pylist() == [{"n": 90}]
    inner.unlink()
    with pytest.raises(PermanentError) as refused:
        await asked(queries_of(service), sql)
    assert refused.value.code == "archive-not-found"


def _manifests(service: Service, table: str = "readings") -> tuple[Path, Path]:
    """Both copies of the only manifest of a table."""
    [outer] = (service.lake / "manifests" / f"{service.schema}.{table}").iterdir()
    [inner] = (service.lake / "tables" / f"{service.schema}.{table}").glob("*/_manifest.json")
    return outer, inner


async def test_an_archive_that_nobody_explains_stops_questions_to_its_own_table_alone(service: Service) -> None:
    service.execute(re.sub(r"\$s\.(jan|feb|mar)", r"$s.other_\1", TABLE.replace("readings", "others")))
    service.execute(TABLE)
    await remove(service, "readings", "jan")
    await remove(service, "others", "other_jan")
    service.execute("create table $s.plain as select 1 as n")
    service.forge_ledger("delete from archival.job")
    for manifest in _manifests(service):
        manifest.write_bytes(b"{}")
    queries = queries_of(service)
    for table, rows in (("others", 90), ("plain", 1)):
        answer = await asked(queries, f"select count(*) as n from {service.schema}.{table}")
        assert answer.result.to_pylist() == [{"n": rows}]
    count = f"select count(*) from {service.schema}."
    for sql in (f"{count}readings", f"{count}others union all {count}readings"):
        with pytest.raises(PermanentError) as refused:
            await asked(queries, sql)
        assert refused.value.code == "archive-not-found"
        assert f"tables/{service.schema}.readings/" in str(refused.value)
    # the same rows, whatever the table is called now; and its name may be another table's
    service.execute(
        "alter table $s.readings rename to measured; create table $s.readings (time date) partition by range (time)"
    )
    with pytest.raises(PermanentError) as renamed:
        await asked(queries, f"{count}measured")
    assert renamed.value.code == "archive-not-found"
    assert (await asked(queries, f"{count}others")).result.num_rows == 1
    # a table that may have had the name at the time is not said to be whole
    service.execute("alter table $s.others rename to other; alter table $s.other rename to others")
    with pytest.raises(PermanentError) as nobody:
        await asked(queries, f"{count}others")
    assert "nobody knows any more" in str(nobody.value)
    assert (await asked(queries, f"{count}plain")).result.num_rows == 1


async def test_a_name_that_another_table_has_taken_over_hides_no_rows(service: Service) -> None:
    """The ledger knows the last table of a name; the archive that nobody explains is of the one before."""
    service.execute(TABLE)
    await remove(service, "readings", "jan")
    service.execute("alter table $s.readings rename to measured")
    service.execute(re.sub(r"\$s\.(jan|feb|mar)", r"$s.new_\1", TABLE))
    await remove(service, "readings", "new_jan")
    service.forge_ledger("delete from archival.job where chunk like '%.jan'")
    for manifest in service.lake.rglob("*.json"):
        if ".jan_r0" in str(manifest):
            manifest.write_bytes(b"{}")
    for table in ("measured", "readings"):
        with pytest.raises(PermanentError) as refused:
            await asked(queries_of(service), f"select count(*) from {service.schema}.{table}")
        assert refused.value.code == "archive-not-found"


async def test_a_table_whose_partition_has_archives_of_its_own_is_refused(service: Service) -> None:
    service.execute(TABLE)
    await remove(service, "readings", "jan")
    service.execute(
        """create table $s.every (time timestamptz not null, device text, value int, price numeric(10,2), extra text)
        partition by range (time);
        create table $s.middle partition of $s.every for values from ('2025-01-01Z') to ('2027-01-01Z')
        partition by range (time);
        alter table $s.middle attach partition $s.readings for values from ('2026-01-01Z') to ('2027-01-01Z')"""
    )
    with pytest.raises(PermanentError) as refused:
        await asked(queries_of(service), f"select count(*) from {service.schema}.every")
    assert (refused.value.code, "detach" in str(refused.value)) == ("archives-below", True)
    service.execute("alter table $s.middle detach partition $s.readings")
    for table, rows in (("every", 0), ("readings", 90)):
        answer = await asked(queries_of(service), f"select count(*) as n from {service.schema}.{table}")
        assert answer.result.to_pylist() == [{"n": rows}]


async def test_names_alone_say_what_is_whose_in_another_database_and_are_not_guessed(service: Service) -> None:
    """A copy of the database has the marks, and tables and columns that may be called otherwise since."""
    service.execute(re.sub(r"\$s\.(jan|feb|mar)", r"$s.other_\1", TABLE.replace("readings", "others")))
    service.execute(TABLE)
    await remove(service, "readings", "jan")
    await remove(service, "others", "other_jan")
    settings = service.runtime.settings
    await service.runtime.close()
    url, name = urlsplit(service.url), f"copy_{uuid4().hex[:8]}"
    copy = urlunsplit(url._replace(path=f"/{name}"))
    lake = LakehouseClient.open(settings.lake_url, settings.lake_account_key)
    with psycopg.connect(urlunsplit(url._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(f"create database {name} template {url.path[1:]}".encode())
        try:
            queries = Queries(
                Database(copy),
                lake,
                None,
                partial(arrow_files, settings.lake_url, settings.lake_account_key),
                workers=WORKERS,
            )

            async def count(table: str) -> list[dict[str, int]]:
                answer = await asked(queries, f"select count(*) as n from {service.schema}.{table}")
                rows: list[dict[str, int]] = answer.result.to_pylist()
                return rows

            def alter(what: str) -> None:
                with psycopg.connect(copy) as connection:
                    connection.execute(f"alter table {service.schema}.{what}".encode())

            assert await count("readings") == await count("others") == [{"n": 90}]
            alter("readings drop price")
            assert await count("readings") == [{"n": 90}]
            alter("readings rename device to was")
            alter("readings add device text")
            alter("others add note text")
            assert await count("others") == [{"n": 90}]
            with pytest.raises(PermanentError) as renamed:
                await count("readings")
            alter("others rename to measured")
            with pytest.raises(PermanentError) as nobodys:
                await count("measured")
            assert (renamed.value.code, nobodys.value.code) == ("archives-in-doubt", "archives-in-doubt")
        finally:
            await lake.close()
            admin.execute(f"drop database {name} with (force)".encode())


async def test_a_question_without_archives_needs_neither_ledger_nor_lake(service: Service) -> None:
    service.execute(TABLE)
    service.execute("create table $s.devices as select 'd1' as device, 'roof' as place")
    await remove(service, "readings", "jan")
    settings = service.runtime.settings
    lake = LakehouseClient.open(f"{settings.lake_url}-is-away", settings.lake_account_key)
    queries = Queries(
        Database(service.url), lake, None, partial(arrow_files, settings.lake_url, settings.lake_account_key), workers=WORKERS
    )
    try:
        for sql in ("select 'roof' as place", f"select place from {service.schema}.devices"):
            assert (await asked(queries, sql)).result.to_pylist() == [{"place": "roof"}]
        with pytest.raises(AwayError):
            await asked(queries, f"select count(*) from {service.schema}.readings")
    finally:
        await lake.close()


async def test_a_schema_with_a_name_of_duckdbs_own_is_refused(service: Service) -> None:
    for schema in ("memory", "system", "temp", "main", "duckdb"):
        service.execute(f"create schema {schema}; create table {schema}.readings as select 1 as n")
        try:
            sql = f"select n from {schema}.readings"
            if schema in ("main", "duckdb"):
                assert (await asked(queries_of(service), sql)).result.to_pylist() == [{"n": 1}]
                continue
            with pytest.raises(PermanentError) as refused:
                await asked(queries_of(service), sql)
            assert (refused.value.code, "rename the schema" in str(refused.value)) == ("query-names", True)
        finally:
            service.execute(f"drop schema {schema} cascade")


async def test_plain_tables_are_joined_and_names_are_found_in_any_case(service: Service) -> None:
    service.execute(TABLE)
    service.execute("""create table $s."Devices" ("Device" text, site text); insert into $s."Devices" values ('d2', 'here')""")
    await remove(service, "readings", "jan")
    sql = f"""select site, r.value from {service.schema}.READINGS r join {service.schema}.devices using (device)"""
    assert (await asked(queries_of(service), sql)).result.to_pylist() == [{"site": "here", "value": 2}]
    sql = f"describe {service.schema}.readings"
    described = (await asked(queries_of(service), sql)).result.to_pylist()
    assert [column["column_name"] for column in described] == ["time", "device", "value", "price", "extra"]


def test_a_process_that_answers_no_question_loads_no_duckdb() -> None:
    program = (
        "import sys, archival_core.runtime, archival_core.api.app, archival_core.query.queries; print('duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
