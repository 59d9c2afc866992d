"""What azd runs before and after it provisions, with programs of the test's own in place of `az` and `azd`."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import INFRA, ROOT

HOOKS: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]
AZ = """#!/bin/sh
case "$*" in
  "account show --query user.type"*) echo "$KIND" ;;
  "account show --query user.name"*) echo app-id ;;
  "ad sp show --id app-id --query id"*) echo sp-object-id ;;
  "ad sp show --id app-id --query displayName"*) echo "deploying app" ;;
  "ad signed-in-user show --query id"*) echo user-object-id ;;
  "ad signed-in-user show --query userPrincipalName"*) echo you@example.com ;;
  *) exit 1 ;;
esac
"""


def run_before(folder: Path, az: str = AZ, **environment: str) -> tuple[int, list[str], str]:
    """Exit code, what azd was told, and what the person reads."""
    for name, script in (("az", az), ("azd", '#!/bin/sh\necho "$*" >> "$TOLD"\n')):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    told = folder / "told"
    done = subprocess.run(
        ["sh", INFRA / "hooks/preprovision.sh"],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "TOLD": str(told), **environment},
        capture_output=True,
        text=True,
        timeout=20,
    )
    return done.returncode, told.read_text().splitlines() if told.exists() else [], done.stderr


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("user", ["user-object-id", "you@example.com", "User"]),
        ("servicePrincipal", ["sp-object-id", "deploying app", "ServicePrincipal"]),
    ],
)
def test_who_deploys_becomes_the_administrator(tmp_path: Path, kind: str, told: list[str]) -> None:
    names = ("DATABASE_ADMIN_ID", "DATABASE_ADMIN_NAME", "DATABASE_ADMIN_TYPE")
    expected = [f"env set {name} {value}" for name, value in zip(names, told, strict=True)]
    assert run_before(tmp_path, KIND=kind) == (0, expected, "")


@pytest.mark.parametrize("given", ["DATABASE_ADMIN_ID", "DATABASE_ADMIN_NAME", "SOURCE_DATABASE_URL"])
def test_somebody_else_stays(tmp_path: Path, given: str) -> None:
    assert run_before(tmp_path, KIND="user", **{given: "somebody"}) == (0, [], "")


def test_who_is_not_signed_in_is_told_what_to_do(tmp_path: Path) -> None:
    code, told, words = run_before(tmp_path, az="#!/bin/sh\nexit 1\n")
    assert (code, told) == (1, [])
    assert "az login" in words
    assert "azd env set DATABASE_ADMIN_ID" in words


def test_every_hook_is_there_for_both_kinds_of_systems() -> None:
    for hook in HOOKS.values():
        assert hook["posix"]["shell"] == "sh"
        assert hook["windows"]["shell"] == "pwsh"
        posix, windows = ((ROOT / hook[system]["run"]).read_text() for system in ("posix", "windows"))
        for tool in ("az", "azd", "psql"):
            assert bool(re.search(rf"\b{tool} ", posix)) == bool(re.search(rf"\b{tool} ", windows)), tool
        values = re.compile(r"\b(?:DATABASE|SOURCE|RESOURCE|IDENTITY|PRIVATE|API)_[A-Z_]+\b")
        assert set(values.findall(posix)) == set(values.findall(windows))
