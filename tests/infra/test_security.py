"""What must hold of everything that is deployed, read from the parsed templates."""

from __future__ import annotations

import re
from typing import Any

import pytest

from archival_core.lake.paths import RESULTS
from archival_core.settings import Settings
from tests.infra.bicep import INFRA, Expression, load, templates

RESOURCES = {
    f"{template.path.stem}.{name}": resource
    for template in templates()
    for name, resource in template.of("resource").items()
    if not resource.is_existing
}


def _bodies(kind: str) -> dict[str, dict[str, Any]]:
    found = {name: resource.body for name, resource in RESOURCES.items() if resource.target.startswith(f"{kind}@")}
    assert found, f"no {kind} is deployed"
    return found


REQUIRED = [
    (
        "Microsoft.Storage/storageAccounts",
        {
            "allowSharedKeyAccess": False,
            "allowBlobPublicAccess": False,
            "allowCrossTenantReplication": False,
            "defaultToOAuthAuthentication": True,
            "supportsHttpsTrafficOnly": True,
            "minimumTlsVersion": "TLS1_2",
            "publicNetworkAccess": Expression("isPrivate ? 'Disabled' : 'Enabled'"),
            "networkAcls.defaultAction": Expression("isPrivate ? 'Deny' : 'Allow'"),
        },
    ),
    ("Microsoft.Storage/storageAccounts/blobServices/containers", {"publicAccess": "None"}),
    (
        "Microsoft.Web/sites",
        {
            "httpsOnly": True,
            "siteConfig.minTlsVersion": "1.2",
            "siteConfig.scmMinTlsVersion": "1.2",
            "functionAppConfig.deployment.storage.authentication.type": "UserAssignedIdentity",
            "publicNetworkAccess": Expression("publicApi ? 'Enabled' : 'Disabled'"),
        },
    ),
    ("Microsoft.Web/sites/basicPublishingCredentialsPolicies", {"allow": False}),
    (
        "Microsoft.Cache/redisEnterprise",
        {"minimumTlsVersion": "1.2", "publicNetworkAccess": Expression("isPrivate ? 'Disabled' : 'Enabled'")},
    ),
    (
        "Microsoft.Cache/redisEnterprise/databases",
        {"accessKeysAuthentication": "Disabled", "clientProtocol": "Encrypted", "evictionPolicy": "NoEviction"},
    ),
    (
        "Microsoft.DBforPostgreSQL/flexibleServers",
        {
            "authConfig.passwordAuth": "Disabled",
            "authConfig.activeDirectoryAuth": "Enabled",
            "network.publicNetworkAccess": Expression("isPrivate ? 'Disabled' : 'Enabled'"),
        },
    ),
    ("Microsoft.Insights/components", {"DisableLocalAuth": True}),
    ("Microsoft.OperationalInsights/workspaces", {"features.disableLocalAuth": True}),
]


@pytest.mark.parametrize(("kind", "required"), REQUIRED, ids=[kind for kind, _ in REQUIRED])
def test_required_settings(kind: str, required: dict[str, object]) -> None:
    for name, body in _bodies(kind).items():
        for path, wanted in required.items():
            value: Any = body["properties"]
            for step in path.split("."):
                value = value[step]
            assert value == wanted, f"{name}: {path}"


def test_the_lake_has_a_hierarchical_namespace() -> None:
    assert load(INFRA / "modules/lake.bicep").of("resource")["account"].body["properties"]["isHnsEnabled"] is True


def test_no_key_and_no_password() -> None:
    """Nothing asks a service for its keys, and nothing takes a secret as a parameter."""
    forbidden = re.compile(r"listKeys|listAccountSas|listServiceSas|AccountKey|SharedAccess|administratorLoginPassword|@secure")
    for template in templates():
        assert not (found := forbidden.search(template.path.read_text())), f"{template.path.name}: {found}"


def test_settings_that_flex_consumption_refuses_are_absent() -> None:
    text = (INFRA / "modules/function-app.bicep").read_text()
    for name in (
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_EXTENSION_VERSION",
        "WEBSITE_RUN_FROM_PACKAGE",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "alwaysOn",
        "containerSize",
        "ftpsState",
        "functionAppScaleLimit",
        "healthCheckPath",
        "linuxFxVersion",
        "preWarmedInstanceCount",
        "use32BitWorkerProcess",
    ):
        assert name not in text


def test_roles_are_few_and_of_data_planes() -> None:
    """Every role that is assigned, by its well-known id."""
    known = {
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "host-storage",  # Storage Blob Data Owner
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "host-storage",  # Storage Queue Data Contributor
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "host-storage",  # Storage Table Data Contributor
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "lake-access",  # Storage Blob Data Contributor
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "lake-access",  # Storage Blob Data Reader, for a person
        "3913510d-42f4-4e42-8a64-420c390055eb": "monitoring",  # Monitoring Metrics Publisher
    }
    guid = re.compile(r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'")
    assert {role: t.path.stem for t in templates() for role in guid.findall(t.path.read_text())} == known


def test_assignments_have_names_that_stay_the_same() -> None:
    for name, body in _bodies("Microsoft.Authorization/roleAssignments").items():
        assert body["name"].text.startswith("guid("), name
        assert body["properties"]["principalType"] in ("ServicePrincipal", Expression("readerType"))
        assert "scope" in body, f"{name} would hold for the whole resource group"


def test_lifecycle_rules_leave_manifests_staging_and_other_folders_alone() -> None:
    lake = load(INFRA / "modules/lake.bicep")
    text = lake.path.read_text()
    assert "tierToArchive" not in text, "an archive that answers no read cannot be verified or restored"
    [superseded] = lake.of("var")["superseded"].value
    assert superseded["definition"]["filters"]["prefixMatch"] == [Expression("'${filesystem}/superseded/'")]
    prefixes = re.findall(r"prefixMatch: (.+)", text)
    assert prefixes == [
        "take(skip(paths, i * prefixesOfRule), prefixesOfRule)",
        "['${filesystem}/superseded/']",
        "['${filesystem}/results/']",
    ]
    assert "var paths = [for prefix in coolPrefixes: '${filesystem}/${prefix}']" in text
    assert "rules: concat(archives, superseded, results)" in text
    assert load(INFRA / "main.bicep").of("param")["coolPrefixes"].value == []


def test_lifecycle_rules_delete_results_alone_and_only_after_they_have_expired() -> None:
    lake = load(INFRA / "modules/lake.bicep")
    [results] = lake.of("var")["results"].value
    assert results["enabled"] is True
    assert results["definition"]["filters"] == {
        "blobTypes": ["blockBlob"],
        "prefixMatch": [Expression(f"'${{filesystem}}/{RESULTS}/'")],
    }
    after = Expression("resultsDeletedAfterDays")
    assert results["definition"]["actions"] == {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": after}}}
    assert lake.path.read_text().count("delete: {") == 1, "archives are kept"
    longest = next(bound.le for bound in Settings.model_fields["query_results_kept"].metadata if hasattr(bound, "le"))
    assert longest.days < lake.of("param")["resultsDeletedAfterDays"].value
    # and no other module gives the lake another policy, or another number of days
    policies = [t.path.name for t in templates() if "managementPolicies@" in t.path.read_text()]
    assert policies == ["lake.bicep"]
    assert "resultsDeletedAfterDays" not in (INFRA / "main.bicep").read_text()


def test_private_endpoints_cover_every_service_with_a_zone() -> None:
    variables = load(INFRA / "modules/dns-zones.bicep").of("var")
    zones = variables["zoneNames"].value
    assert variables["groups"].value == [*zones]
    groups = set()
    for template in templates():
        for module in template.of("module").values():
            if module.target.endswith("private-endpoint.bicep"):
                group = module.body["params"]["group"]
                loop = re.search(r"\[for service in isPrivate \? \[([^\]]+)\]", template.path.read_text())
                groups |= {group} if isinstance(group, str) else set(re.findall(r"'(\w+)'", loop[1] if loop else ""))
    assert groups == zones.keys()
