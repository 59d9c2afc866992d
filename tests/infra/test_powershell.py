"""The hooks for PowerShell parse: there is no PowerShell here, so a grammar of its language reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dev.servers import npm
from tests.infra.bicep import INFRA

SCRIPT = Path(__file__).with_name("powershell.js")
PARSER, GRAMMAR = ("web-tree-sitter", "0.27.2"), ("tree-sitter-powershell", "0.26.4")


def complaints(*files: Path) -> list[str]:
    modules = [npm.installed(*package) for package in (PARSER, GRAMMAR)]
    # the second compiler of WebAssembly takes ten seconds over a grammar that is used for one
    done = subprocess.run([npm.node(), "--liftoff-only", SCRIPT, *modules, *files], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.returncode == bool(done.stdout)
    return done.stdout.splitlines()


def test_every_hook_parses() -> None:
    hooks = sorted((INFRA / "hooks").glob("*.ps1"))
    assert len(hooks) == 5
    assert complaints(*hooks) == []


@pytest.mark.parametrize(
    "wrong", ["if ($a { 1 }", "Write-Host 'a", "foreach ($a in 1,2 { $a }", "$a = @{ b = 1", "function A { 1"]
)
def test_what_powershell_refuses_is_noticed(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "a.ps1").write_text(wrong)
    assert complaints(tmp_path / "a.ps1")
