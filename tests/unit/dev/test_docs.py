"""Generated documents are those that the code makes now, and what a document names is there."""

import ast
import re

import pytest
from fastapi.routing import APIRoute

from archival_core.api.management import routers
from dev.docs.commands import COMMANDS_FILE, commands_document
from dev.docs.errors import ERRORS_FILE, errors_document
from dev.docs.metrics import METRICS_FILE, metrics_document
from dev.docs.settings import README_FILE
from dev.docs.states import ARCHITECTURE_FILE, architecture_document
from dev.docs.types import TYPES_FILE, types_document
from dev.stack.state import ROOT
from tests.kit.definitions import defined_in


def test_the_commands_in_cli_md_are_current() -> None:
    assert COMMANDS_FILE.read_text() == commands_document(), "run `make docs`"


def test_types_md_is_current() -> None:
    assert TYPES_FILE.read_text() == types_document(), "run `make docs`"


def test_metrics_md_is_current() -> None:
    assert METRICS_FILE.read_text() == metrics_document(), "run `make docs`"


def test_errors_md_is_current() -> None:
    assert ERRORS_FILE.read_text() == errors_document(), "run `make docs`"


def test_the_states_in_architecture_md_are_current() -> None:
    assert ARCHITECTURE_FILE.read_text() == architecture_document(), "run `make docs`"


ARCHITECTURE = " ".join(ARCHITECTURE_FILE.read_text().split())
_FILE = r"`([\w/.-]+\.(?:py|sql|js|bicep))`"
_NAME = r"`([A-Za-z_]\w*(?:\.\w+)?)`"
#: "`file` (`name`, `name`)", and "`name`, `name` and `name` of `file`".
_BEHIND = re.compile(rf"{_FILE} \(({_NAME}(?:[,;] {_NAME})*)")
_BEFORE = re.compile(rf"((?:{_NAME}(?:, | and ))*{_NAME}) of {_FILE}")


def _named() -> set[tuple[str, str]]:
    """Files of the document, each with a name that it is said to have; with none, those that stand alone."""
    behind = {(file, name) for file, names, *_ in _BEHIND.findall(ARCHITECTURE) for name in re.findall(_NAME, names)}
    before = {(found[-1], name) for found in _BEFORE.findall(ARCHITECTURE) for name in re.findall(_NAME, found[0])}
    slashed = {(file, "") for file in re.findall(_FILE, ARCHITECTURE) if "/" in file}
    return slashed | {(file, name) for file, name in behind | before if not re.search(r"\.(py|sql|js)$", name)}


NAMED = sorted(_named())


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_architecture_md_names_is_there(file: str, name: str) -> None:
    [path] = [base / file for base in (ROOT, ROOT / "archival_core") if (base / file).is_file()]
    assert not name or name in defined_in(path)


def test_architecture_md_names_what_a_reader_looks_for() -> None:
    assert len({file for file, _ in NAMED}) > 70
    told = {name for _, name in NAMED}
    assert {"EventDrain._settle_named", "check_same", "_OIDS", "is_commit_of", "create_view", "JobRunner.give_up"} <= told


def test_each_room_is_in_the_picture_and_says_what_it_is_for() -> None:
    _, picture, _ = ARCHITECTURE_FILE.read_text().split("```", 2)
    for file in (*(ROOT / "archival_core").rglob("__init__.py"), *(ROOT / "archival_cli").rglob("__init__.py")):
        assert ast.get_docstring(ast.parse(file.read_text())), f"{file} does not say what its room is for"
        if file.parents[1].name not in ("commands", "sql", "redis"):
            assert re.search(rf"\b{file.parent.name}/", picture), f"{file.parent} is not in the picture"


def test_the_readme_has_every_operation_of_the_api() -> None:
    _, table = README_FILE.read_text().split("| Operation | What it does |\n", 1)
    named = {
        (method, re.sub(r"\{.*?\}", "{}", path))
        for methods, path in re.findall(r"`([A-Z|\\]+) (/[^\s`?]*)[^`]*`", table.partition("\n\n")[0])
        for method in methods.replace("\\", "").split("|")
    }
    assert named == {
        (method, re.sub(r"\{.*?\}", "{}", route.path))
        for router in routers()
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods or ()
    }
