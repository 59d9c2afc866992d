"""Generated documents are those that the code makes now, and what a document names is there."""

import re

import pytest

from dev.docs.commands import COMMANDS_FILE, commands_document
from dev.docs.errors import ERRORS_FILE, errors_document
from dev.docs.metrics import METRICS_FILE, metrics_document
from dev.docs.states import ARCHITECTURE_FILE, architecture_document
from dev.docs.types import TYPES_FILE, types_document
from dev.stack.state import ROOT


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


_NAMED = re.findall(r"`([a-z_]+/[a-z_/]+\.(?:py|sql))`(?: \(`(\w+)`\))?", ARCHITECTURE_FILE.read_text())


@pytest.mark.parametrize(("file", "name"), sorted(set(_NAMED)))
def test_what_architecture_md_names_is_there(file: str, name: str) -> None:
    is_elsewhere = file.startswith(("archival_cli/", "dev/", "docs/", "tests/"))
    code = (ROOT / ("" if is_elsewhere else "archival_core") / file).read_text()
    assert re.search(rf"(def|class|-- name:) {name}\b", code) or not name


def test_architecture_md_names_the_files_of_an_event_and_of_a_value() -> None:
    assert len(set(_NAMED)) > 25
