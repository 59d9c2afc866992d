"""What the compiler says of the templates, where there is one (`az bicep install`), beside what the parser here says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import INFRA, parsed, plain, templates
from tests.infra.combinations import GIVEN, MAIN, MAKES_SENSE
from tests.infra.compiler import SNAPSHOTS, built, compiler, name_of, parameter_file, snapshots
from tests.infra.evaluation import made

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs the Bicep compiler: az bicep install")
each_combination = pytest.mark.parametrize("parameters", MAKES_SENSE, ids=name_of)


def deployed(template: dict[str, Any]) -> Iterator[str]:
    """Type and version of each resource of a compiled template and its modules; what is referred to alone is none."""
    resources = template["resources"]
    for resource in resources.values() if isinstance(resources, dict) else resources:
        if resource["type"] == "Microsoft.Resources/deployments":
            yield from deployed(resource["properties"]["template"])
        elif not resource.get("existing"):
            yield f"{resource['type']}@{resource['apiVersion']}"


def test_modules_of_a_compiled_template_are_looked_into() -> None:
    inner = {"resources": [{"type": "a/b", "apiVersion": "2"}, {"type": "a/b/c", "apiVersion": "1", "existing": True}]}
    module = {"type": "Microsoft.Resources/deployments", "apiVersion": "3", "properties": {"template": inner}}
    assert list(deployed({"resources": {"group": {"type": "r/g", "apiVersion": "1"}, "m": module}})) == ["r/g@1", "a/b@2"]


@needs_compiler
def test_the_compiler_makes_of_it_what_the_parser_reads() -> None:
    template, said = built(INFRA / "main.bicep")
    assert said == ""
    parameters = template["parameters"]
    assert parameters.keys() == MAIN.of("param").keys()
    required = {name for name, parameter in parameters.items() if "defaultValue" not in parameter}
    assert required == {name for name, parameter in MAIN.of("param").items() if not parameter.has_default}
    assert template["outputs"].keys() == MAIN.of("output").keys()
    read = {r.target for file in templates() for r in file.of("resource").values() if not r.is_existing}
    assert set(deployed(template)) == read


#: Writes a snapshot, and says of one that is there that it differs, as the compiler does.
COMPILER = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$4" in overwrite) echo "{}" > "${2%.bicepparam}.snapshot.json" ;; *) exit 1 ;; esac
"""


def test_snapshots_are_written_where_there_are_none_and_compared_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bicep"
    program.write_text(COMPILER)
    program.chmod(0o755)
    monkeypatch.setenv("BICEP", str(program))
    folder = tmp_path / "snapshots"
    assert snapshots(folder, check=True) == 0
    assert len(list(folder.glob("*.snapshot.json"))) == len(list(folder.glob("*.bicepparam"))) == len(MAKES_SENSE)
    assert snapshots(folder, check=True) == 1
    assert snapshots(folder, check=False) == 0
    modes = [line.split()[3] for line in (tmp_path / "asked").read_text().splitlines()]
    assert modes == ["overwrite"] * len(MAKES_SENSE) + ["validate"] * len(MAKES_SENSE) + ["overwrite"] * len(MAKES_SENSE)


@each_combination
def test_every_combination_has_a_parameter_file(parameters: dict[str, Any]) -> None:
    file = SNAPSHOTS / f"{name_of(parameters)}.bicepparam"
    assert file.read_text() == parameter_file(parameters), "python -m tests.infra.compiler"


def test_no_parameter_file_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.bicepparam")} == {name_of(parameters) for parameters in MAKES_SENSE}
    assert len(MAKES_SENSE) == len({name_of(parameters) for parameters in MAKES_SENSE})


@each_combination
def test_a_parameter_file_says_the_combination(parameters: dict[str, Any]) -> None:
    given = {**GIVEN, **parameters}
    assert given.keys() <= MAIN.of("param").keys()
    for name, value in given.items():
        assert variable_of(parameter_file(parameters), name) == value


def variable_of(text: str, name: str) -> Any:
    """The value of one parameter of such a file."""
    root = parsed(text.partition("using '../main.bicep'")[2].replace("param ", "var ").encode())
    found = {node.named_children[0].text: node.named_children[-1] for node in root.named_children}
    return plain(found[name.encode()])


def test_either_every_snapshot_is_there_or_none() -> None:
    kept = {path.name.removesuffix(".snapshot.json") for path in SNAPSHOTS.glob("*.snapshot.json")}
    assert kept in (set(), {name_of(parameters) for parameters in MAKES_SENSE})


@each_combination
def test_a_snapshot_has_as_many_resources_of_each_kind(parameters: dict[str, Any]) -> None:
    file = SNAPSHOTS / f"{name_of(parameters)}.snapshot.json"
    if not file.exists():
        pytest.skip("no snapshot has been written yet: make snapshots, where there is a Bicep compiler")
    predicted = Counter(resource["type"].lower() for resource in json.loads(file.read_text())["predictedResources"])
    predicted.pop("microsoft.resources/deployments", None)
    assert predicted == Counter(resource.type.lower() for resource in made(MAIN, {**GIVEN, **parameters}))
