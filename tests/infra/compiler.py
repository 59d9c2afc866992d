"""The Bicep compiler, where there is one: what it says of the templates, and its snapshots of what a deployment would make.

`python -m tests.infra.compiler` writes a snapshot of each combination of parameters anew (`make snapshots`). With `--check` it
compares them, shows what changed, and writes those that are missing. The compiler comes with `az bicep install`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.infra.bicep import INFRA
from tests.infra.combinations import GIVEN, MAKES_SENSE

SNAPSHOTS = INFRA / "snapshots"
#: Of nobody; ids and hashes are worked out of them, so they have to be the same everywhere.
_SUBSCRIPTION, _TENANT = "00000000-0000-0000-0000-0000000000aa", "00000000-0000-0000-0000-0000000000bb"


def compiler() -> str | None:
    """The program; `az bicep install` puts it where only `az` looks."""
    of_az = Path.home() / ".azure/bin/bicep"
    return os.environ.get("BICEP") or shutil.which("bicep") or (str(of_az) if of_az.is_file() else None)


def built(path: Path) -> tuple[dict[str, Any], str]:
    """A template as Azure gets it, and what the compiler says besides."""
    program = compiler()
    assert program is not None
    done = subprocess.run([program, "build", path, "--stdout"], check=True, capture_output=True, text=True, timeout=300)
    template = json.loads(done.stdout)
    assert isinstance(template, dict)
    return template, done.stderr


def name_of(parameters: dict[str, Any]) -> str:
    """Of a combination, the name of its files: the parameters that differ from the first."""
    return "-".join(parameters) or "defaults"


def parameter_file(parameters: dict[str, Any]) -> str:
    """The combination as a file for the compiler."""
    lines = ["// Written by `make snapshots` from tests/infra/combinations.py.", "using '../main.bicep'", ""]
    lines += [f"param {name} = {_literal(value)}" for name, value in {**GIVEN, **parameters}.items()]
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${") + "'"
        case list():
            return "[\n" + "".join(f"  {_literal(item)}\n" for item in value) + "]"
        case dict():
            return "{\n" + "".join(f"  {key}: {_literal(item)}\n" for key, item in value.items()) + "}"
    return str(value)


def snapshot(file: Path, mode: str) -> int:
    """Runs the compiler on a parameter file; its exit code is 1 where something else would be made than the snapshot says."""
    program = compiler()
    assert program is not None
    place = ["--subscription-id", _SUBSCRIPTION, "--tenant-id", _TENANT, "--location", GIVEN["location"]]
    return subprocess.run([program, "snapshot", file, "--mode", mode, *place], timeout=300).returncode


def snapshots(folder: Path = SNAPSHOTS, *, check: bool) -> int:
    """The highest exit code of the compiler; 2 where there is none, and then parameter files alone are written."""
    folder.mkdir(exist_ok=True)
    files = {folder / f"{name_of(parameters)}.bicepparam": parameter_file(parameters) for parameters in MAKES_SENSE}
    for file, text in files.items():
        file.write_text(text)
    if compiler() is None:
        print("There is no Bicep compiler, so parameter files alone were written: az bicep install", file=sys.stderr)
        return 2
    failed = 0
    for file in files:
        is_compared = check and file.with_suffix(".snapshot.json").exists()
        print(f"{file.stem}: {'compared' if is_compared else 'written, to be committed'}", flush=True)
        failed = max(failed, snapshot(file, "validate" if is_compared else "overwrite"))
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Snapshots of what each combination of parameters makes.")
    parser.add_argument("--check", action="store_true", help="compare; only what is missing is written")
    return snapshots(check=parser.parse_args().check)


if __name__ == "__main__":
    sys.exit(main())
