"""The templates as a compiler's first pass would see them: they parse, and every name leads to something."""

from __future__ import annotations

import re

import pytest

from tests.infra.bicep import FUNCTIONS, INFRA, Bicep, Expression, load, templates

DECORATORS = frozenset(
    {"allowed", "batchSize", "description", "export", "maxLength", "maxValue", "metadata", "minLength", "minValue"}
)
MAIN = load(INFRA / "main.bicep")
each_template = pytest.mark.parametrize("template", templates(), ids=lambda template: template.path.stem)


@each_template
def test_parses(template: Bicep) -> None:
    assert template.errors == []


@each_template
def test_no_undefined_symbol(template: Bicep) -> None:
    assert set(template.references()) - template.symbols - FUNCTIONS - DECORATORS == set()


@each_template
def test_no_symbol_hides_a_function(template: Bicep) -> None:
    assert template.symbols & (FUNCTIONS | DECORATORS) == set()


@each_template
def test_nothing_is_declared_for_nothing(template: Bicep) -> None:
    used = set(template.references())
    assert {name for kind in ("param", "var") for name in template.of(kind)} - used == set()


@each_template
def test_modules_get_what_they_ask_for(template: Bicep) -> None:
    for name, module in template.of("module").items():
        asked = load((template.path.parent / module.target).resolve()).of("param")
        given = module.body.get("params", {})
        assert given.keys() - asked.keys() == set(), f"{name} has no such parameter"
        assert {p for p, parameter in asked.items() if not parameter.has_default} - given.keys() == set(), f"{name} needs more"


@each_template
def test_parameters_that_are_passed_on_allow_no_more_than_the_module(template: Bicep) -> None:
    own = template.of("param")
    for module in template.of("module").values():
        asked = load((template.path.parent / module.target).resolve()).of("param")
        for name, value in module.body.get("params", {}).items():
            passed = own.get(value.text) if isinstance(value, Expression) else None
            if passed is not None:
                assert passed.type == asked[name].type, name
                assert not asked[name].allowed or passed.allowed == asked[name].allowed, name


@each_template
def test_outputs_of_modules_are_there(template: Bicep) -> None:
    text = template.path.read_text()
    for name, module in template.of("module").items():
        outputs = load((template.path.parent / module.target).resolve()).of("output")
        assert set(re.findall(rf"\b{name}!?\.outputs\.(\w+)", text)) - outputs.keys() == set()


@each_template
def test_files_that_are_loaded_are_there(template: Bicep) -> None:
    for path in re.findall(r"loadTextContent\('([^']+)'\)", template.path.read_text()):
        assert (template.path.parent / path).is_file()


@each_template
def test_one_version_for_each_kind_of_resource(template: Bicep) -> None:
    """Versions of one provider's resources go together."""
    versions: dict[str, set[str]] = {}
    for other in templates():
        for resource in other.of("resource").values():
            kind, version = resource.target.split("@")
            versions.setdefault(kind, set()).add(version)
    assert {kind: found for kind, found in versions.items() if len(found) > 1} == {}


def test_every_module_is_used() -> None:
    used = {module.target.rpartition("/")[2] for template in templates() for module in template.of("module").values()}
    assert {path.name for path in (INFRA / "modules").glob("*.bicep")} == used


def test_the_parameter_file_names_parameters_of_the_template() -> None:
    text = (INFRA / "main.bicepparam").read_text()
    assert re.search(r"^using 'main\.bicep'$", text, re.MULTILINE)
    given = set(re.findall(r"^param (\w+) =", text, re.MULTILINE))
    asked = MAIN.of("param")
    assert given - asked.keys() == set()
    assert {name for name, parameter in asked.items() if not parameter.has_default} - given == set()


def test_a_broken_template_is_noticed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "broken.bicep"
    file.write_text("param a string\noutput b string = c\nvar d = {\n")
    broken = Bicep(file)
    assert "c" in set(broken.references()) - broken.symbols
    assert broken.errors
