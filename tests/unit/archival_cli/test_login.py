"""Services that are kept by name: logging in, choosing, logging out."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from archival_cli.__main__ import main
from tests.unit.archival_cli.test_patience import a_service


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kept = tmp_path / "profiles.json"
    monkeypatch.setenv("ARCHIVAL_CONFIG", str(kept))
    monkeypatch.chdir(tmp_path)
    for name in ("ARCHIVAL_API_URL", "ARCHIVAL_API_KEY", "ARCHIVAL_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return kept


def test_a_service_is_kept_asked_and_forgotten(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policies: dict[str, list[str]] = {"policies": []}
    with a_service(lambda path: (200, policies if path.startswith("policies") else {"paused": False})) as url:
        assert main(["policies"]) == 3
        assert "archival login" in capsys.readouterr().err
        # `az` prints keys with a line break, and in quotes where it is asked for JSON
        monkeypatch.setattr(sys, "stdin", io.StringIO('"the key"\n'))
        assert main(["login", url.removesuffix("/api"), "--name", "work"]) == 0
        assert "profile work" in capsys.readouterr().out
        assert json.loads(file.read_text())["profiles"] == {"work": {"url": url, "key": "the key"}}
        assert main(["policies"]) == 0
        assert "no policies" in capsys.readouterr().out
        assert main(["profiles", "-o", "json"]) == 0
        told = capsys.readouterr().out
        assert json.loads(told) == {"profiles": [{"name": "work", "url": url, "chosen": True}]}
        assert "the key" not in told
        assert main(["logout"]) == 0
        assert main(["policies"]) == 3
    assert "the key" not in file.read_text()


def test_it_is_said_where_the_local_stack_is_asked_all_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = file.parent / ".local" / "stack.json"
    stack.parent.mkdir()
    with a_service(lambda _: (200, {"paused": False})) as url:
        for api, is_other in (("http://localhost:7071/api", True), (url, False)):
            stack.write_text(json.dumps({"api_url": api, "function_key": "local"}))
            assert main(["login", url, "--name", "work", "--key", "one"]) == 0
            assert main(["profiles", "use", "work"]) == 0
            told = " ".join(capsys.readouterr().err.split())
            assert told.count("ask the stack of `make run` while it is up, unless --profile work is given") == 2 * is_other
    stack.unlink()
    assert main(["profiles", "use", "work"]) == 0
    assert "make run" not in capsys.readouterr().err


def test_a_wrong_key_is_not_kept(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with a_service(lambda _: (401, None)) as url:
        assert main(["login", url, "--key", "wrong"]) == 3
    assert "does not know this key" in capsys.readouterr().err
    assert not file.exists()


def test_no_key_is_said(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["login", "http://localhost:1"]) == 2
    assert "which key?" in capsys.readouterr().err
    assert not file.exists()


def test_a_name_that_is_not_kept_is_said(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["profiles", "use", "wrok"], ["logout", "wrok"], ["policies", "--profile", "wrok"]):
        assert main(arguments) == 2, arguments
        assert "no profile 'wrok'" in capsys.readouterr().err
