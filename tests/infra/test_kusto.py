"""Every query is read by Microsoft's own parser: nobody else would say that a tile is empty because its query is wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from dev.servers import npm
from tests.infra.queries import QUERIES, filled

SCRIPT = Path(__file__).with_name("kusto.js")
VERSION = "12.4.1"


def complaints(queries: dict[str, str]) -> list[str]:
    modules = npm.installed("@kusto/language-service-next", VERSION)
    asked = json.dumps([[where, filled(query)] for where, query in queries.items()])
    done = subprocess.run([npm.node(), SCRIPT, modules], input=asked, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.returncode == bool(done.stdout)
    return done.stdout.splitlines()


def test_every_query_parses_and_its_names_exist() -> None:
    assert len(QUERIES) >= 35
    assert complaints(QUERIES) == []


def test_what_azure_refuses_is_noticed() -> None:
    wrong = {
        "keyword": "traces | summarize last = max(timestamp)",
        "column": "traces | where duration > 1",
        "table": "trace | count",
        "bracket": "traces | where (message has 'a'",
    }
    assert {line.partition(":")[0] for line in complaints(wrong)} == wrong.keys()
