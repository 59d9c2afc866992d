"""What shells are given to complete the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archival_cli.__main__ import main
from archival_cli.service import profiles

ROOT = Path(__file__).parents[3]


def _run(**environment: str) -> str:
    # no service is there to be asked for names
    nowhere = {"ARCHIVAL_API_URL": "http://127.0.0.1:1", "ARCHIVAL_CONFIG": "/nonexistent/profiles.json"}
    done = subprocess.run(
        [sys.executable, "-m", "archival_cli"],
        env=os.environ | nowhere | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("archival jo", {"jobs", "job"}),
        ("archival dead-letters re", {"replay"}),
        ("archival jobs --status f", {"failed"}),
        ("archival chunks readings --st", {"--state", "--step"}),
        ("archival chunks rea", set()),
    ],
)
def test_bash_is_told_what_may_follow(line: str, found: set[str]) -> None:
    words = line.split()
    told = _run(_ARCHIVAL_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    assert {one.partition(",")[2] for one in told.split("\n") if one} == found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_the_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_ARCHIVAL_COMPLETE={shell}_complete" in script
    if found := shutil.which(shell):
        subprocess.run([found, "-n"], input=script, text=True, check=True)


def test_profiles_are_completed(tmp_path: Path) -> None:
    file = profiles.write(profiles.Profiles({"work": profiles.Profile("https://office/api", None)}), tmp_path / "p.json")
    line = "archival jobs --profile w"
    told = _run(_ARCHIVAL_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD="3", ARCHIVAL_CONFIG=str(file))
    assert told.split() == ["plain,work"]
