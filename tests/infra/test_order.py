"""What has to be there before something else is made, and which providers a subscription has to know."""

from __future__ import annotations

import re

from tests.infra.bicep import INFRA, ROOT, load, templates

MAIN = load(INFRA / "main.bicep")
POSTGRES = load(INFRA / "modules/postgres.bicep")


def _waits_for(name: str) -> list[str]:
    """What stands in its `dependsOn`."""
    kind = "module" if name in POSTGRES.of("module") else "resource"
    return [str(symbol.text) for symbol in POSTGRES.of(kind)[name].body.get("dependsOn", [])]


def test_the_server_gets_one_change_at_a_time_and_the_database_an_owner() -> None:
    """A database that is made before the administrator belongs to Azure's superuser."""
    order = ["pause", "allowList", "preload", "admin", "source", "insideAzure"]
    assert [_waits_for(name) for name in order[1:]] == [[before] for before in order[:-1]]
    children = {name for name, resource in POSTGRES.of("resource").items() if "parent" in resource.body}
    assert children == set(order) - {"pause"}
    assert _waits_for("endpoint") == ["source"]


def test_what_is_in_the_network_comes_after_it() -> None:
    """Ids of subnets are worked out of names, so nothing but this says what has to be there first."""
    modules = MAIN.of("module")
    assert [str(symbol.text) for symbol in modules["zones"].body["dependsOn"]] == ["network"]
    inside = {
        name
        for name, module in modules.items()
        if {"endpointSubnetId", "appSubnetId"} & module.body["params"].keys() and name not in ("network", "zones")
    }
    assert inside == {"storage", "lake", "redis", "postgres", "app"}
    for name in inside:
        assert "zones!.outputs" in str(modules[name].body["params"]["zoneIds"]), name


def test_the_lake_is_there_before_its_roles_and_they_before_the_app() -> None:
    modules = MAIN.of("module")
    assert [str(symbol.text) for symbol in modules["lakeAccess"].body["dependsOn"]] == ["lake"]
    assert [str(symbol.text) for symbol in modules["app"].body["dependsOn"]] == ["lakeAccess"]


def test_the_page_registers_every_provider() -> None:
    used = {
        provider
        for template in templates()
        for provider in re.findall(r"'Microsoft\.(\w+)/", template.path.read_text())
        if provider not in ("Authorization", "Resources")  # which every subscription knows
    }
    guide = (ROOT / "docs/deploy.md").read_text()
    [posix] = re.findall(r"^for provider in (.+); do$", guide, re.MULTILINE)
    [windows] = re.findall(r"^foreach \(\$provider in (.+)\) \{$", guide, re.MULTILINE)
    assert posix.split() == sorted(used)
    assert re.findall(r"\w+", windows) == posix.split()
