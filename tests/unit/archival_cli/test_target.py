"""Which service the command line asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archival_cli import target
from archival_cli.errors import CommandError


def test_a_flag_goes_before_the_environment_and_that_before_the_local_stack(tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps({"api_url": "http://local/api", "function_key": "local"}))
    environment = {"ARCHIVAL_API_URL": "http://environment/api", "ARCHIVAL_API_KEY": "environment"}
    assert target.find("http://flag/api", "flag", environment, tmp_path) == ("http://flag/api", "flag")
    assert target.find(None, None, environment, tmp_path) == ("http://environment/api", "environment")
    assert target.find(None, None, {}, tmp_path) == ("http://local/api", "local")
    # the local key is for the local service alone
    assert target.find("http://elsewhere/api", None, {}, tmp_path) == ("http://elsewhere/api", None)


@pytest.mark.parametrize("url", [None, "ftp://x/api", "conditions", "http:///api"])
def test_no_service_is_an_error(url: str | None, tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        target.find(url, None, {}, tmp_path)
