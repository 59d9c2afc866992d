"""Which parameters make sense together: what is made of them, or the sentence that refuses them before anything is made."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.bicep import INFRA, Expression, load
from tests.infra.combinations import GIVEN, MAIN, MAKES_SENSE, PAGE, REFUSED, page, resources
from tests.infra.evaluation import Refused, variable

LAKE = load(INFRA / "modules/lake.bicep")


def named(**parameters: Any) -> str:
    """The name that everything is made with."""
    name = variable(MAIN, "name", {**GIVEN, **parameters})
    assert isinstance(name, str)
    return name


@pytest.mark.parametrize("parameters", MAKES_SENSE, ids=lambda parameters: ", ".join(parameters) or "defaults")
def test_what_makes_sense_is_made(parameters: dict[str, Any]) -> None:
    assert named(**parameters) == "archival-demo-abcdef"


@pytest.mark.parametrize(("parameters", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_makes_no_sense_is_refused_in_words(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=re.escape(words)) as refused:
        named(**parameters)
    assert str(refused.value).count(". ") == 0, "one sentence, of one mistake"


def test_the_page_of_combinations_is_what_the_templates_make() -> None:
    assert PAGE.read_text() == page(), "python -m tests.infra.combinations"


@pytest.mark.parametrize("parameters", MAKES_SENSE, ids=lambda parameters: ", ".join(parameters) or "defaults")
def test_no_two_resources_have_one_name(parameters: dict[str, Any]) -> None:
    """Children have those of their parents before their own; all others are found by type and name."""
    alone = {name: times for name, times in resources(parameters).items() if name.partition(" ")[0].count("/") == 1}
    assert len(alone) > 20
    extensions = ("Authorization/roleAssignments", "Insights/diagnosticSettings", "Authorization/locks")
    assert {name for name, times in alone.items() if times > 1 and not name.startswith(extensions)} == set()


def test_without_private_networking_nothing_is_made_for_it() -> None:
    found = resources({"privateNetworking": False})
    assert not [name for name in found if name.startswith("Network/")]
    assert [name for name in found if "inside-azure" in name]


def test_what_is_brought_along_is_not_made() -> None:
    kinds = {
        "sourceDatabaseUrl": "DBforPostgreSQL/",
        "redisUrl": "Cache/",
        "logAnalyticsId": "OperationalInsights/",
        "appSubnetId": "Network/virtualNetworks ",
    }
    for given, kind in kinds.items():
        parameters = next(parameters for parameters in MAKES_SENSE if given in parameters)
        assert [name for name in resources({}) if name.startswith(kind)]
        assert not [name for name in resources(parameters) if name.startswith(kind)], given


def test_zones_that_are_there_are_used() -> None:
    subnets = next(parameters for parameters in MAKES_SENSE if "dnsZonesGroupId" in parameters)
    found = resources(subnets)
    assert not [name for name in found if name.startswith("Network/privateDnsZones")]
    assert found["Network/privateEndpoints/privateDnsZoneGroups `default`"] == 7


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(Refused, match=r"PgBouncer.*rediss.*nobody reaches"):
        named(sourceDatabaseUrl="postgresql://r@db:6432/tsdb", redisUrl="redis://r", publicApi=False, privateNetworking=False)


def test_every_rule_is_broken_by_an_example() -> None:
    rules = variable(MAIN, "rules", GIVEN)
    for index in range(len(rules)):
        assert any(variable(MAIN, "rules", {**GIVEN, **parameters})[index]["broken"] for parameters, _ in REFUSED), rules[index]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("demo", "archival-demo-abcdef"),
        ("Prod_1", "archival-prod1-abcdef"),
        ("archival-service-production-westeurope", "archival-archivalse-abcdef"),
        ("Ünïcode 1", "archival-ncode1-abcdef"),
        ("___", "archival-abcdef"),
    ],
)
def test_names_are_made_from_what_people_type(typed: str, name: str) -> None:
    made = named(environmentName=typed)
    assert made == name
    # what a PostgreSQL server takes, the strictest of those that are named by it
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{1,61})[a-z0-9]", f"psql-{made}")


def test_nothing_is_made_where_something_is_refused() -> None:
    """The group that everything is in cannot be named then."""
    assert MAIN.of("resource")["group"].body["name"] == Expression("groupName")
    with pytest.raises(Refused):
        variable(MAIN, "groupName", {**GIVEN, "redisUrl": "redis://r"})
    elsewhere = [name for name, module in MAIN.of("module").items() if str(module.body["scope"].text) != "group"]
    assert elsewhere == ["lakeAccess"]
    assert "identity.outputs" in MAIN.of("module")["lakeAccess"].body["params"]["principalId"]


@pytest.mark.parametrize("count", [0, 1, 10, 11, 25, 980])
def test_a_lifecycle_rule_has_ten_prefixes_at_most(count: int) -> None:
    prefixes = [f"tables/public.t{i}/chunk_" for i in range(count)]
    rules = variable(LAKE, "archives", {"filesystem": "archive", "coolPrefixes": prefixes})
    taken = [rule["definition"]["filters"]["prefixMatch"] for rule in rules]
    assert [path for paths in taken for path in paths] == [f"archive/{prefix}" for prefix in prefixes]
    assert all(1 <= len(paths) <= 10 for paths in taken), "a rule without a prefix means every file"
    assert len({rule["name"] for rule in rules}) == len(rules) <= 99
