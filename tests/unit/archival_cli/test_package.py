"""The command line as a package: light dependencies, and a name."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import archival_cli

PACKAGE = Path(archival_cli.__file__).parent
PROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]


def test_the_name_leads_to_the_command() -> None:
    module, _, function = PROJECT["scripts"]["archival"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_nothing_is_imported_that_is_not_installed_with_it() -> None:
    imported = set()
    # what answers questions in this process says what it lacks, where the service's packages are not there
    for file in sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "commands" / "questions" / "direct.py"}):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"archival_cli"}
    assert foreign == {requirement.partition(">")[0] for requirement in PROJECT["dependencies"]} == {"click", "rich"}


def test_it_tells_its_version_without_a_service() -> None:
    command = [sys.executable, "-m", "archival_cli", "--version"]
    done = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("archival ")
