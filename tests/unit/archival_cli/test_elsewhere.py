"""What `archival tables show --for` prints can be pasted, whatever a table and its columns are called."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pytest

from archival_cli.commands.lake.boundary import Boundary
from archival_cli.commands.lake.elsewhere import ENGINES
from archival_cli.commands.lake.place import ColumnPlace, Place

NAMES = ['a"b', "a'b", "Weird Name", "Straße", "back\\slash", "new\nline", "MixedCase", "class", 'x"""y', "a`b]c{d}", "d.o.t"]
AZURE = "https://archive.dfs.core.windows.net/lake/tables/demo.t"
LOCAL = "http://127.0.0.1:10005/devstoreaccount1/lake/tables/demo.t"
GONE = Boundary((("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")), (), ())


def _column(name: str, kind: str, form: str, *stored: tuple[str, str]) -> ColumnPlace:
    told = [{"name": of_lake, "form": of_form} for of_lake, of_form in stored]
    return ColumnPlace.of({"name": name, "type": kind, "form": form, "stored": told})


def _place(
    name: str = "t", url: str = AZURE, *more: ColumnPlace, time: str = "time", kind: str = "timestamp with time zone"
) -> Place:
    hypertable = 'demo."' + name.replace('"', '""') + '"'
    first = _column(time, kind, "timestamp[us, tz=UTC]", ("time_x1_", "timestamp[us, tz=UTC]"))
    return Place(hypertable, time, url, GONE, [first, *more])


def _hostile(name: str, url: str = AZURE) -> Place:
    value = _column(name + "!", "interval", "string", ("v__2", "string"), ("v", "int32"))
    return _place(name, url, value, _column(f"{name} new", "text", "string"), time=name)


class _Recorded:
    """Stands in for pl and spark: remembers every text that it is given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, *given: Any, **named: Any) -> _Recorded:
        self.texts += [one for one in given if isinstance(one, str)]
        return self

    def __getattr__(self, name: str) -> _Recorded:
        return self


@pytest.mark.parametrize("url", [AZURE, LOCAL])
@pytest.mark.parametrize("name", NAMES)
class TestWhateverTheName:
    @pytest.mark.parametrize("engine", ["spark", "polars"])
    def test_python_runs(self, name: str, url: str, engine: str) -> None:
        told = ENGINES[engine](_hostile(name, url))
        code = compile(told, engine, "exec")
        engines = _Recorded()
        source = re.sub(r"^import polars as pl$", "", told, flags=re.MULTILINE)
        found: dict[str, Any] = {"pl": engines, "spark": engines}
        exec(compile(source, engine, "exec"), found)  # noqa: S102
        quoted = '"' + name.replace('"', '""') + '"'
        assert any(f'"demo".{quoted}' in text for text in engines.texts), "the table as SQL has it"
        assert (name if name.isidentifier() and name != "class" else "whole") in code.co_names

    @pytest.mark.parametrize("engine", ["duckdb", "postgres"])
    def test_sql_is_read(self, name: str, url: str, engine: str) -> None:
        told = ENGINES[engine](_hostile(name, url))
        statements = duckdb.extract_statements(told)
        assert [one.type for one in statements if "CREATE VIEW" in one.query] == [duckdb.StatementType.CREATE]
        assert '"demo"."' + name.replace('"', '""') + '"' in told

    def test_fabric_has_brackets(self, name: str, url: str) -> None:
        told = ENGINES["fabric"](_hostile(name, url))
        statement = told[told.index("CREATE VIEW") : told.index(";\n-- All other")]
        # outside of brackets and texts nothing of the name is left
        rest = re.sub(r"\[(?:[^]]|\]\])*\]|'[^']*'", "_", statement)
        assert re.fullmatch(r"[A-Za-z0-9_().,\s=<>]+", rest), rest
        assert all(
            line.startswith("--") for line in (told[: told.index("CREATE VIEW")] + told[told.index("-- All") :]).splitlines()
        )


def _viewed(place: Place, archived: str, live: str) -> list[dict[str, Any]]:
    """The rows of DuckDB's view, with tables in the place of the lake and of the source."""
    told = ENGINES["duckdb"](place)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; ATTACH ':memory:' AS source; CREATE SCHEMA source.demo;")
    connection.execute(f"CREATE TABLE lake AS {archived}; CREATE TABLE source.{place.table} AS {live}")
    connection.execute(re.sub(r"delta_scan\('[^']*'\)", "lake", told[told.index("CREATE VIEW") :]))
    name = place.name.replace('"', '""')
    found = connection.execute(f'SELECT * FROM "{name}" ORDER BY ALL')
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_a_column_has_one_name_whatever_it_is_called_in_the_lake() -> None:
    price = _column(
        "price", "numeric(12,4)", "decimal128(12, 4)", ("price__2", "decimal128(12, 4)"), ("cost", "decimal128(10, 2)")
    )
    code = _column("code", "text", "string", ("code__2", "string"), ("code", "int32"))
    place = _place(
        "Straße", AZURE, _column("Größe mit Leer", "text", "string", ("Größe_x20_mit_x20_Leer", "string")), price, code
    )
    rows = _viewed(
        place,
        """SELECT TIMESTAMPTZ '2026-01-02 00:00:00+00' AS time_x1_, 'a' AS Größe_x20_mit_x20_Leer,
            NULL::DECIMAL(12,4) AS price__2, 1.25::DECIMAL(10,2) AS cost,
            NULL::VARCHAR AS code__2, 7 AS code, MAP {'x': 'y'} AS _archival_exact
        UNION ALL SELECT '2026-03-02 00:00:00+00', 'b', 2.125, NULL, 'z', NULL, NULL
        UNION ALL SELECT '2026-02-02 00:00:00+00', 'in the database as well', 0, NULL, NULL, 1, NULL""",
        """SELECT TIMESTAMPTZ '2026-02-02 00:00:00+00' AS time, 'c' AS "Größe mit Leer", 3::DECIMAL(12,4) AS price,
            'y' AS code""",
    )
    assert [[str(value) for value in list(row.values())[1:]] for row in rows] == [
        ["a", "1.2500", "7"],
        ["c", "3.0000", "y"],
        ["b", "2.1250", "z"],
    ]
    assert list(rows[0]) == ["time", "Größe mit Leer", "price", "code"]


def test_younger_and_dropped_columns_are_told() -> None:
    place = _place("t", AZURE, _column("note", "text", "string"))
    told = ENGINES["duckdb"](Place(**{**vars(place), "dropped": ("former\nDROP",)}))
    assert "NULL in archived rows: note" in told
    assert r"dropped in the database: former\nDROP" in told


def test_polars_gets_text_of_what_it_does_not_read() -> None:
    more = (
        _column("span", "interval", "string", ("span", "string")),
        _column("spans", "interval[]", "list<item: string>", ("spans", "list<item: string>")),
        _column("name", "character varying(5)", "string", ("name", "string")),
        _column("ip", "inet", "string", ("ip", "string")),
    )
    sql = (
        r"SELECT \"time\", \"span\"::text AS \"span\", \"spans\"::text[] AS \"spans\", \"name\", abbrev(\"ip\") AS \"ip\""
        r" FROM \"demo\".\"t\""
    )
    assert sql in ENGINES["polars"](_place("t", AZURE, *more))
    assert sql in ENGINES["spark"](_place("t", AZURE, *more))
    assert r"SELECT * FROM" in ENGINES["polars"](_place())
    for package in ("polars", "deltalake", "connectorx"):
        assert package in ENGINES["polars"](_place()).splitlines()[0]


@pytest.mark.parametrize(
    ("kind", "bound"),
    [
        ("date", 'date.fromisoformat("2026-01-01")'),
        ("timestamp without time zone", 'datetime.fromisoformat("2026-01-01T00:00:00")'),
        ("timestamp with time zone", 'datetime.fromisoformat("2026-01-01T00:00:00Z")'),
    ],
)
def test_polars_compares_times_of_one_kind(kind: str, bound: str) -> None:
    assert f"({bound}, " in ENGINES["polars"](_place(kind=kind))


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_exact_and_what_is_not_in_azure_is_said(engine: str) -> None:
    told, local = (ENGINES[engine](_place("t", url)) for url in (AZURE, LOCAL))
    assert "_archival_exact is left out" in told and "NULL in archived rows" in told
    assert ".local/lake" not in told and "archive" in told
    assert "below .local/lake" in local and "127.0.0.1" not in local and "azure'" not in local
    if engine != "fabric":
        assert ".local/lake/lake/tables/demo.t" in local


@pytest.mark.parametrize(
    ("hypertable", "sql"),
    [("demo.Straße", '"demo"."Straße"'), ('"a.b"."c""."', '"a.b"."c""."'), ('demo."Weird Name"', '"demo"."Weird Name"')],
)
def test_names_are_quoted(hypertable: str, sql: str) -> None:
    assert Place(hypertable, "time", AZURE, GONE, ()).table == sql
