"""Which parameters make sense together: what is made of each combination, or the sentence that refuses it.

`python -m tests.infra.combinations` writes infra/combinations.md anew, so that a change of the templates shows which resources
it changes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.infra.bicep import INFRA, load
from tests.infra.evaluation import Made, Refused, made, variable

MAIN = load(INFRA / "main.bicep")
PAGE = INFRA / "combinations.md"
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

#: Parameters besides `GIVEN`.
MAKES_SENSE: list[dict[str, Any]] = [
    {},
    {"privateNetworking": False},
    {"publicApi": False},
    {"appSubnetId": APP, "endpointSubnetId": ENDPOINTS},
    {"appSubnetId": APP, "endpointSubnetId": ENDPOINTS, "dnsZonesGroupId": "/subscriptions/s/resourceGroups/hub"},
    {"databaseSku": "Standard_B2s"},
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
]

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
    ({"dnsZonesGroupId": "/subscriptions/s/resourceGroups/hub"}, "linked to no zones but its own"),
    ({"appSubnetId": APP, "endpointSubnetId": ENDPOINTS, "dnsZonesGroupId": "hub"}, "no resource id of a resource group"),
    ({"databaseSku": "B2s"}, "no size of a flexible server"),
    ({"databaseSku": "Standard_B1ms"}, "take Standard_B2s"),
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


def resources(parameters: dict[str, Any]) -> Counter[str]:
    """What is made, in words, each with how often. Raises `Refused`."""
    return Counter(_told(resource) for resource in made(MAIN, {**GIVEN, **parameters}))


def refusal(parameters: dict[str, Any]) -> str:
    """The sentence; empty where the parameters make sense."""
    try:
        variable(MAIN, "name", {**GIVEN, **parameters})
    except Refused as refused:
        return str(refused)
    return ""


def page() -> str:
    """The document."""
    defaults = resources({})
    lines = [
        "# What is made of which parameters",
        "",
        "Written by `python -m tests.infra.combinations` from the templates; a test compares it. Names are those of",
        "`AZURE_ENV_NAME=demo`, with `…` in place of `archival-demo-` and the hash.",
        "",
        f"## With a name, a region and an administrator: {defaults.total()} resources",
        "",
        *(f"- {resource}{f' × {times}' if times > 1 else ''}" for resource, times in sorted(defaults.items())),
        "",
        "## Other combinations, compared with that",
        "",
        "| Parameters | Resources | More | Less |",
        "| --- | ---: | --- | --- |",
    ]
    for parameters in MAKES_SENSE[1:]:
        found = resources(parameters)
        more, less = (_listed(difference) for difference in (found - defaults, defaults - found))
        lines.append(f"| {_given(parameters)} | {found.total()} | {more} | {less} |")
    lines += ["", "## Refused before anything is made", "", "| Parameters | Sentence |", "| --- | --- |"]
    lines += [f"| {_given(parameters)} | {refusal(parameters)} |" for parameters, _ in REFUSED]
    return "\n".join(lines) + "\n"


def _told(resource: Made) -> str:
    name = resource.name.replace("archival-demo-abcdef", "…").replace("abcdefghijklm", "…").replace("abcdefghijkl", "…")
    is_like = f" ({', '.join(resource.is_like)})" if resource.is_like else ""
    return f"{resource.type.removeprefix('Microsoft.')} `{name}`{is_like}"


def _listed(difference: Counter[str]) -> str:
    return "<br>".join(f"{resource}{f' × {times}' if times > 1 else ''}" for resource, times in sorted(difference.items()))


def _given(parameters: dict[str, Any]) -> str:
    def short(value: Any) -> str:
        text = repr(value) if not isinstance(value, list) or len(value) < 3 else f"{value[0]!r} × {len(value)}"
        return text.replace("/subscriptions/s/resourceGroups/g/providers", "…").replace("|", "\\|")

    return ", ".join(f"`{name}` = `{short(value)}`" for name, value in parameters.items())


if __name__ == "__main__":
    PAGE.write_text(page())
