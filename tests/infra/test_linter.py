"""What the compiler's linter asks for, as far as a parser can say it: types, versions, values that are known in time."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.infra.bicep import INFRA, Bicep, load, templates
from tests.infra.foreseeing import unforeseen
from tests.infra.untyped import untyped

RULES = json.loads((INFRA / "bicepconfig.json").read_text())["analyzers"]["core"]["rules"]
each_template = pytest.mark.parametrize("template", templates(), ids=lambda template: template.path.stem)

#: When the versions were last compared with those that Azure's types have. The linter compares them in each run of continuous
#: integration; a test that did so by today's date would fail one day with nothing changed.
LOOKED_AT = date(2026, 11, 30)
MAXIMAL_AGE = timedelta(days=730)
#: Versions that were older then, and are the newest but for previews. Of the settings for diagnostics there are previews alone.
NEWEST = {
    "Microsoft.Authorization/locks": "2020-05-01",
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",
    "Microsoft.Insights/workbooks": "2023-06-01",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2024-06-01",
}


def file(folder: Path, name: str, text: str) -> Bicep:
    (folder / name).write_text(text)
    load.cache_clear()  # a test's folder may have the name of an earlier one's
    return Bicep(folder / name)


@pytest.mark.parametrize("rule", ["use-recent-api-versions", "use-user-defined-types", "what-if-short-circuiting"])
def test_rules_that_are_off_by_default_are_on(rule: str) -> None:
    """A warning fails continuous integration. An error would keep people from deploying a release that has grown old."""
    assert RULES[rule]["level"] == "warning"


def test_no_rule_is_off() -> None:
    assert {rule for rule, how in RULES.items() if how["level"] == "off"} == set()


@each_template
def test_every_object_and_array_has_a_type_of_its_own(template: Bicep) -> None:
    declared = [*template.of("param").values(), *template.of("output").values()]
    assert {d.name for d in declared if re.search(r"\b(object|array)\b", d.type)} == set()


@each_template
def test_types_come_from_where_they_are_exported(template: Bicep) -> None:
    for name, path in template.imports.items():
        exported = load(path).of("type")[name]
        assert exported.node.prev_named_sibling is not None
        assert "@export()" in (exported.node.prev_named_sibling.text or b"").decode()
    assert set(template.imports) - set(template.references()) == set(), "imported for nothing"


def test_every_type_is_used() -> None:
    used = {name for template in templates() for name in template.imports}
    assert used == load(INFRA / "types.bicep").of("type").keys()


@each_template
def test_checkov_gets_the_same_without_types(template: Bicep, tmp_path: Path) -> None:
    without = file(tmp_path, template.path.name, untyped(template))
    assert without.errors == []
    assert len(untyped(template).splitlines()) == len(template.path.read_text().splitlines())
    assert not without.imports
    assert {name: resource.body for name, resource in without.of("resource").items()} == {
        name: resource.body for name, resource in template.of("resource").items()
    }
    assert without.of("param").keys() == template.of("param").keys()


@each_template
def test_versions_are_recent(template: Bicep) -> None:
    for resource in template.of("resource").values():
        kind, version = resource.target.split("@")
        is_recent = LOOKED_AT - date.fromisoformat(version[:10]) <= MAXIMAL_AGE
        assert (is_recent and "preview" not in version) or NEWEST.get(kind) == version, resource.target


def test_no_exception_is_left_over() -> None:
    targets = {resource.target for template in templates() for resource in template.of("resource").values()}
    assert {f"{kind}@{version}" for kind, version in NEWEST.items()} <= targets


@each_template
def test_what_if_foresees_every_name_condition_and_loop(template: Bicep) -> None:
    assert list(unforeseen(template)) == []


@pytest.mark.parametrize(
    ("body", "value", "expected"),
    [
        ("resource r 'a/b@2026-01-01' = {\n  name: guid(p)\n}", "other.outputs.id", ["m.p"]),
        ("resource r 'a/b@2026-01-01' = {\n  name: 'r'\n  scope: resourceGroup(p)\n}", "other!.outputs.id", ["m.p"]),
        ("resource r 'a/b@2026-01-01' = if (!empty(p)) {\n  name: 'r'\n}", "late", ["m.p"]),
        ("var is = !empty(p)\nresource r 'a/b@2026-01-01' = [for i in is ? [1] : []: {\n  name: 'r'\n}]", "late", ["m.p"]),
        ("resource r 'a/b@2026-01-01' = {\n  name: 'r'\n  properties: p\n}", "late", []),
        ("resource r 'a/b@2026-01-01' = {\n  name: p\n}", "made.properties.host", ["m.p"]),
        ("resource r 'a/b@2026-01-01' = {\n  name: p\n}", "made.id", []),
        ("resource r 'a/b@2026-01-01' = {\n  name: p\n}", "'other'", []),
    ],
)
def test_a_value_that_is_known_too_late_is_noticed(tmp_path: Path, body: str, value: str, expected: list[str]) -> None:
    file(tmp_path, "inner.bicep", f"param p string\n{body}\n")
    file(tmp_path, "m.bicep", "param p string\nmodule deeper 'inner.bicep' = {\n  params: {\n    p: p\n  }\n}\n")
    file(tmp_path, "other.bicep", "output id string = 'x'\n")
    main = (
        "module other 'other.bicep' = {\n  params: {}\n}\nvar late = '${other.outputs.id}/x'\n"
        "resource made 'a/b@2026-01-01' = {\n  name: 'made'\n}\n"
        f"module m 'm.bicep' = {{\n  params: {{\n    p: {value}\n  }}\n}}\n"
    )
    assert list(unforeseen(file(tmp_path, "main.bicep", main))) == expected
