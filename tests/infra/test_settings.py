"""Every list of settings is made from the code: the reference, the README's, the sample, the template's defaults.

The rest is held to the code: what the template wires to resources, the timers' schedules, the command in `compose.yaml`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from archival_core.host_settings import AzureSettings, HostSettings
from archival_core.settings import Settings
from dev.docs import settings as documents
from dev.docs.settings import LOCAL_ONLY, PLATFORM, STORAGE, settings_of
from dev.lake_emulator import DEFAULT_ACCOUNT, DEFAULT_KEY
from dev.stack.host_defaults import SCHEDULES
from tests.infra.bicep import INFRA, ROOT, load

NEEDED = {
    "source_database_url": "postgresql://db/tsdb",
    "redis_url": "redis://r",
    "lake_url": "https://a.dfs.core.windows.net/f",
}
APP = load(INFRA / "modules/function-app.bicep").of("var")
DEFAULTS: dict[str, str] = APP["defaults"].value
WIRING: dict[str, Any] = APP["wiring"].value
SAMPLE: dict[str, str] = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]

OWN, HOST, AZURE = (settings_of(model) for model in (Settings, HostSettings, AzureSettings))
#: The fields of `Settings` that have a default, by their names in the environment.
WITH_DEFAULT = {
    field.alias or name.upper(): name
    for name, field in Settings.model_fields.items()
    if not field.is_required() and field.default
}


def told(**texts: Any) -> Settings:
    """Settings of an environment with these texts."""
    return Settings(**{**NEEDED, **texts})


def test_every_list_is_current() -> None:
    assert documents.REFERENCE_FILE.read_text() == documents.reference_document(), "run `make docs`"
    assert documents.README_FILE.read_text() == documents.readme_document(), "run `make docs`"
    assert documents.SAMPLE_FILE.read_text() == documents.sample_document(), "run `make docs`"
    assert documents.TEMPLATE_FILE.read_text() == documents.template_document(), "run `make docs`"


@pytest.mark.parametrize("name", sorted(WITH_DEFAULT))
def test_the_text_of_a_default_means_the_default(name: str) -> None:
    field = WITH_DEFAULT[name]
    assert getattr(told(**{field: OWN[name].default}), field) == Settings.model_fields[field].get_default()


def test_the_sample_is_read_without_a_complaint() -> None:
    names = {(field.alias or name.upper()): name for name, field in Settings.model_fields.items()}
    read = told(**{names[name]: value for name, value in SAMPLE.items() if name in names})
    assert read.storage_connection == "UseDevelopmentStorage=true"
    assert read.exporter == "none"


def test_the_sample_has_every_setting_and_no_other() -> None:
    assert SAMPLE.keys() == (OWN | HOST).keys() - PLATFORM - {*STORAGE} | {STORAGE[0], "FUNCTIONS_WORKER_RUNTIME"}


def test_the_template_has_every_setting_and_no_other() -> None:
    own = (OWN | HOST).keys() - {*STORAGE} - PLATFORM - LOCAL_ONLY
    assert (DEFAULTS | WIRING).keys() == own | {STORAGE[1]} | AZURE.keys()
    assert DEFAULTS.keys() & WIRING.keys() == set()


def test_what_the_template_adds_has_the_value_that_is_documented() -> None:
    fixed = {name: setting.default for name, setting in AZURE.items() if setting.default}
    assert fixed
    assert fixed.items() <= WIRING.items()


def test_each_timer_s_schedule_is_a_setting() -> None:
    source = "".join(path.read_text() for path in (ROOT / "archival_core/functions").glob("*.py"))
    named = set(re.findall(r"%(\w+)%", source))
    assert {name for name in named if name.endswith("_SCHEDULE")} == SCHEDULES.keys()
    assert named - SCHEDULES.keys() <= OWN.keys()


def test_the_compose_file_names_settings_that_there_are() -> None:
    comments = "\n".join(line for line in (ROOT / "compose.yaml").read_text().splitlines() if line.startswith("#"))
    named = set(re.findall(r"\b(\w+)=\S", comments)) - {"TEST_TIMESCALEDB_URL", "ARGS"}
    assert {"SOURCE_DATABASE_URL", "REDIS_URL"} <= named
    assert named - OWN.keys() == set()


def test_the_app_of_the_compose_file_has_what_it_needs() -> None:
    given: dict[str, str] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["app"]["environment"]
    assert given.keys() - {"FUNCTIONS_WORKER_RUNTIME"} <= (OWN | HOST).keys()
    source = "".join(path.read_text() for path in (ROOT / "archival_core/functions").glob("*.py"))
    triggers = set(re.findall(r"%(\w+)%", source))
    assert triggers <= given.keys(), "the host knows no defaults of a trigger"
    assert {name: given[name] for name in triggers} == {name: SAMPLE[name] for name in triggers}
    assert told(lake_account_key=given["LAKE_ACCOUNT_KEY"]).lake_account_key
    assert (given["LAKE_ACCOUNT_KEY"], given["LAKE_URL"].split("/")[3]) == (DEFAULT_KEY, DEFAULT_ACCOUNT)


def test_documents_name_settings_that_there_are() -> None:
    """OpenTelemetry and its exporter have settings of their own besides."""
    known = (OWN | HOST | AZURE).keys()
    parameters = set(re.findall(r"readEnvironmentVariable\('(\w+)'", (INFRA / "main.bicepparam").read_text()))
    beginnings = {name.partition("_")[0] for name in known if name.isupper()}
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", document.read_text()))
        ours = {
            name
            for name in named
            if name.partition("_")[0] in beginnings and not name.startswith(("OTEL_", "APPLICATIONINSIGHTS_"))
        }
        assert ours - known - parameters == set(), document


def test_what_the_platform_tells_is_read_as_it_is_written() -> None:
    for said, means in (("True", True), ("true", True), ("1", True), ("False", False), ("", False), ("perhaps", False)):
        assert told(website_auth_enabled=said).website_auth_enabled is means


def test_no_setting_of_the_template_holds_a_secret() -> None:
    assert not {name for name in DEFAULTS | WIRING if re.search(r"KEY|PASSWORD|SECRET", name)}
