"""The number of instances follows from the connections that the database has to give."""

from __future__ import annotations

import inspect
import json
import re

from archival_core.ledger import pool
from tests.infra.bicep import INFRA, ROOT, load

APP = load(INFRA / "modules/function-app.bicep").of("var")


def test_the_pool_is_the_code_s() -> None:
    [size] = re.findall(r"^_SIZE = (\d+)$", inspect.getsource(pool), re.MULTILINE)
    assert APP["ledgerPool"].value == int(size)


def test_each_instance_works_on_one_message_at_a_time() -> None:
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    assert (queues["batchSize"], queues["newBatchThreshold"]) == (1, 0)


def test_connections_are_never_more_than_the_budget() -> None:
    """The template's own formula, worked out."""

    main = load(INFRA / "main.bicep").of("param")

    def instances(budget: int, readers: int, least: int = main["maximumInstancesAtLeast"].value) -> tuple[int, int]:
        names = {
            "databaseConnections": budget,
            "archiveReaders": readers,
            "maximumInstancesAtLeast": least,
            "min": min,
            "max": max,
        }
        for name in ("ledgerPool", "httpConcurrency"):
            names[name] = APP[name].value
        for name in ("timers", "reading", "perInstance", "maximumInstances"):
            names[name] = eval(APP[name].value.text.replace("/", "//"), {}, names)  # noqa: S307  our own file
        return names["maximumInstances"], names["timers"] + names["maximumInstances"] * names["perInstance"]  # type: ignore[operator,return-value]

    defaults = main["databaseConnections"].value, main["archiveReaders"].value
    assert instances(*defaults) == (3, 192)
    assert instances(*defaults, 40) == (40, 2190)
    assert "2,190" in (ROOT / "docs/deploy.md").read_text()
    for budget in range(108, 6000, 7):
        for readers in range(1, 9):
            count, connections = instances(budget, readers)
            assert 1 <= count <= 1000
            assert connections <= budget, (budget, readers)


def test_the_names_of_the_functions_are_the_code_s() -> None:
    """The arithmetic names functions; a new trigger has to be counted."""
    source = "".join(path.read_text() for path in (ROOT / "archival_core/functions").glob("*.py"))
    queues = set(re.findall(r"queue_trigger\([^)]*\)\n    async def (\w+)", source))
    timers = set(re.findall(r"timer_trigger\([^)]*\)\n    async def (\w+)", source))
    comment = (INFRA / "modules/function-app.bicep").read_text()
    assert all(name in comment for name in queues)
    assert len(queues) == 10
    assert timers == {"drain_events", "commit_tables", "remove_chunks", "verify_archives", "reconcile"}
