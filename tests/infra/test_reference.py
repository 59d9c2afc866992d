"""What the documents name is what the code has."""

from __future__ import annotations

import re

from archival_core.error_codes import CODES
from archival_core.flows.jobs.announcer import _ENDED
from archival_core.model.asking.event import ArchivalEvent
from archival_core.model.jobs.job import Status
from archival_core.model.lake.finding import Problem
from archival_core.model.lake.manifest import Manifest, ManifestPart, ManifestSource
from tests.infra.bicep import ROOT

REFERENCE = (ROOT / "docs/reference.md").read_text()
OPERATE = (ROOT / "docs/operate.md").read_text()
MIGRATIONS = "\n".join(path.read_text() for path in (ROOT / "archival_core/ledger/sql/migrations").glob("*.sql"))


def _named(text: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", text))


def _section(title: str) -> str:
    return REFERENCE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_table_and_view_of_the_ledger() -> None:
    made = set(re.findall(r"^create (?:table|view) (archival\.\w+)", MIGRATIONS, re.MULTILINE)) | {"archival.migration"}
    named = {name for name in _named(_section("Ledger")) if name.startswith("archival.")}
    assert named == made


def test_every_state_and_problem() -> None:
    text = _section("Ledger")
    assert {status for status in Status if status not in text} == set()
    assert {problem for problem in Problem if f"`{problem}`" not in text} == set()


def test_every_field_of_the_manifest() -> None:
    named = _named(_section("Manifest"))
    for model in (Manifest, ManifestSource, ManifestPart):
        assert set(model.model_fields) - {"digests"} - named == set()


def test_every_attribute_of_an_event() -> None:
    text = _section("Events")
    named = {name.partition(".")[0] for name in _named(text)}
    assert set(ArchivalEvent.model_fields) - {"time"} - named == set()


def test_every_result() -> None:
    assert {result for result in _ENDED.values() if f"`{result}`" not in _section("Results")} == set()


def test_error_codes_of_the_runbook_are_the_code_s() -> None:
    rows = re.findall(r"^\| ((?:`[a-z-]+`(?:, | with | and )?)+)", OPERATE, re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`([a-z]+(?:-[a-z]+)*)`", row)}
    assert len(codes) > 30
    # what a database may be in trouble with has one row for the source and the ledger
    either = {code.partition("-")[2] for code in CODES if code.startswith("source-") or code.startswith("database-")}
    assert codes - CODES.keys() - either == set()


def test_tables_and_columns_of_the_runbook_are_there() -> None:
    queries = re.findall(r"^```sql\n(.*?)^```", OPERATE, re.MULTILINE | re.DOTALL)
    assert queries
    for query in queries:
        for table in re.findall(r"\b(archival\.\w+)", query):
            assert f" {table}" in MIGRATIONS
