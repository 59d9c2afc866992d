"""Which parameters make sense together: what is made of them, or the sentence that refuses them before anything is made."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.bicep import INFRA, load
from tests.infra.evaluation import Refused, variable

MAIN = load(INFRA / "main.bicep")
LAKE = load(INFRA / "modules/lake.bicep")
GIVEN = {
    "environmentName": "demo",
    "location": "westeurope",
    "databaseAdminId": "00000000-0000-0000-0000-000000000001",
    "databaseAdminName": "you@example.com",
}
GROUP = "/subscriptions/s/resourceGroups/g/providers"
APP, ENDPOINTS = (f"{GROUP}/Microsoft.Network/virtualNetworks/net/subnets/{name}" for name in ("app", "endpoints"))
NOBODY: dict[str, Any] = {"databaseAdminId": "", "databaseAdminName": ""}
BROUGHT = {"sourceDatabaseUrl": "postgresql://r@db:5432/tsdb?sslmode=require", **NOBODY}
STORAGE = f"{GROUP}/Microsoft.Storage/storageAccounts/lake"


def named(**parameters: Any) -> str:
    """The name that everything is made with."""
    name = variable(MAIN, "name", {**GIVEN, **parameters})
    assert isinstance(name, str)
    return name


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"privateNetworking": False},
        {"publicApi": False},
        {"appSubnetId": APP, "endpointSubnetId": ENDPOINTS},
        BROUGHT,
        {**BROUGHT, "ledgerDatabaseUrl": "postgresql://r@ledger:5432/archival"},
        {"redisUrl": "rediss://id@r:10000"},
        {"lakeAccountId": STORAGE},
        {"logAnalyticsId": f"{GROUP}/microsoft.operationalinsights/workspaces/w"},
        {"coolPrefixes": ["tables/public.conditions/hyper_"] * 25},
        {"settings": {"REMOVAL_POLICY": "drop"}},
        {"telemetryExporter": "otlp", "settings": {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector"}},
        {"alertEmails": ["you@example.com"]},
        {"dailyCapGB": 5, "zoneRedundant": False, "lockLake": False, "alwaysReady": 1, "rollingUpdates": False},
    ],
    ids=lambda parameters: ", ".join(parameters) or "defaults",
)
def test_what_makes_sense_is_made(parameters: dict[str, Any]) -> None:
    assert named(**parameters) == "archival-demo-abcdef"


REFUSED = [
    (NOBODY, "set DATABASE_ADMIN_ID and DATABASE_ADMIN_NAME"),
    ({"databaseAdminName": ""}, "set DATABASE_ADMIN_NAME"),
    ({"sourceDatabaseUrl": "Server=db;Database=tsdb"}, "begin with postgresql://"),
    ({"sourceDatabaseUrl": "postgresql://r@db:6432/tsdb"}, "PgBouncer"),
    ({"ledgerDatabaseUrl": "postgresql://r@db:6432/tsdb"}, "PgBouncer"),
    ({"redisUrl": "redis://r:6379"}, "rediss://"),
    ({"lakeAccountId": "lake"}, "LAKE_ACCOUNT_ID is no resource id"),
    ({"logAnalyticsId": "w"}, "LOG_ANALYTICS_ID is no resource id"),
    ({"publicApi": False, "privateNetworking": False}, "an app that nobody reaches"),
    ({"appSubnetId": APP}, "come together"),
    ({"endpointSubnetId": ENDPOINTS}, "come together"),
    ({"appSubnetId": APP, "endpointSubnetId": ENDPOINTS, "privateNetworking": False}, "need PRIVATE_NETWORKING=true"),
    ({"appSubnetId": APP, "endpointSubnetId": ENDPOINTS.replace("/net/", "/other/")}, "different networks"),
    ({"appSubnetId": APP, "endpointSubnetId": APP}, "the same subnet"),
    ({"appSubnetId": "app", "endpointSubnetId": "endpoints"}, "resource ids of subnets"),
    ({"coolPrefixes": ["tables/public.conditions/hyper_"], "lakeAccountId": STORAGE}, "no effect on a lake"),
    ({"coolPrefixes": ["tables/"]}, "beginnings of the folders of archives"),
    ({"coolPrefixes": ["tables/public.conditions/"]}, "beginnings of the folders of archives"),
    ({"coolPrefixes": ["tables/public.conditions/_delta_log"]}, "beginnings of the folders of archives"),
    ({"coolPrefixes": ["archive/tables/public.conditions/hyper_"]}, "beginnings of the folders of archives"),
    ({"coolPrefixes": ["tables/a.b/c"] * 981}, "more than 980"),
    ({"settings": {"LAKE_URL": "https://x", "redis_url": "r"}}, "settings has LAKE_URL, REDIS_URL"),
    ({"settings": {"FUNCTIONS_WORKER_RUNTIME": "python"}}, "Flex Consumption refuses"),
    ({"telemetryExporter": "otlp"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ({"alertEmails": ["you"]}, "a list of addresses"),
    ({"dailyCapGB": 0}, "every alert would be blind"),
    ({"dailyCapGB": 1, "logAnalyticsId": f"{GROUP}/microsoft.operationalinsights/workspaces/w"}, "set the bound there"),
]


@pytest.mark.parametrize(("parameters", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_makes_no_sense_is_refused_in_words(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=re.escape(words)) as refused:
        named(**parameters)
    assert str(refused.value).count(". ") == 0, "one sentence, of one mistake"


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
    assert str(MAIN.of("resource")["group"].body["name"]) == "Expression(text=\"'rg-${name}'\")"
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
