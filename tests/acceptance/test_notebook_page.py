"""docs/notebook.md: its cells are run as they are printed, with rows in the lake and in the database."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from dev.demo import sample_data
from tests.acceptance.conftest import Service
from tests.acceptance.test_cli import CommandLine, cli

__all__ = ["cli"]

PAGE = Path(__file__).parents[2] / "docs" / "notebook.md"

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY_ROLE", "postgres")


async def test_the_cells_of_the_page(
    service: Service, cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_data.create(service.url, 2400)
    await service.publish(hypertable="demo.readings", older_than="2026-01-06T00:00:00Z", remove=True)
    await cli.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 5
    (tmp_path / ".local").mkdir()
    api = cli._environment["ARCHIVAL_API_URL"]
    (tmp_path / ".local" / "stack.json").write_text(json.dumps({"api_url": api, "function_key": "key"}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    cells = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(cells) == 4
    seen: dict[str, Any] = {}
    for cell in cells:
        if "matplotlib" in cell and find_spec("matplotlib") is None:
            # the page installs it; what is drawn was seen by the cells before
            continue
        await asyncio.to_thread(exec, compile(cell, "notebook.md", "exec"), seen)
    assert len(seen["gone"]) == 5
    assert sum(seen["hours"]["rows"].to_pylist()) > 2300
    assert len(seen["hours"]) == 12 * 24
    for command in re.findall(r"\.venv/bin/python -m (archival_cli .*?)(?:\s+#.*)?\n", PAGE.read_text()):
        assert command.split()[1] in ("archive", "sql")
    # the last line of the page, as it stands there
    arguments = ["SELECT * FROM demo.readings", "--file", "readings.parquet", "--large"]
    assert " ".join(["sql", f'"{arguments[0]}"', *arguments[1:]]) in PAGE.read_text()
    await cli("sql", *arguments)
    assert (tmp_path / "readings.parquet").stat().st_size > 0
