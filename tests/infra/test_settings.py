"""`Settings`, the sample of local settings, the template's app settings and the documentation name the same settings, with the
same defaults."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from archival_core.settings import Settings
from dev.stack.memory import FLAT_MEMORY
from tests.infra.bicep import INFRA, ROOT, load

NEEDED = {
    "source_database_url": "postgresql://db/tsdb",
    "redis_url": "redis://r",
    "lake_url": "https://a.dfs.core.windows.net/f",
}
APP = load(INFRA / "modules/function-app.bicep").of("var")
DEFAULTS: dict[str, str] = APP["defaults"].value
BICEP: dict[str, Any] = DEFAULTS | APP["wiring"].value
SAMPLE: dict[str, str] = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
REFERENCE = (ROOT / "docs/reference.md").read_text()

#: Read by the host, the runtime or a library, and not by `Settings`.
OTHERS = FLAT_MEMORY.keys()
IN_AZURE_ONLY = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AZURE_CLIENT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_ENABLE_OPENTELEMETRY",
}
#: On a developer's machine only: a key, and the worker that Flex Consumption knows by itself.
LOCAL_ONLY = {"LAKE_ACCOUNT_KEY", "FUNCTIONS_WORKER_RUNTIME"}
#: Told by the platform, and set by nobody.
PLATFORM = {"WEBSITE_AUTH_ENABLED"}
#: Three forms of one setting.
STORAGE = {"AzureWebJobsStorage", "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__accountName"}


def _name(field: str) -> str:
    return Settings.model_fields[field].alias or field.upper()


def _schedules() -> set[str]:
    source = "".join(path.read_text() for path in (ROOT / "archival_core/functions").glob("*.py"))
    return set(re.findall(r"%(\w+)%", source))


FIELDS = {_name(field): field for field in Settings.model_fields if _name(field) not in PLATFORM}
ALL = FIELDS.keys() | _schedules() | OTHERS


def _documented() -> dict[str, str]:
    """From the tables of docs/reference.md: setting to the text of its default."""
    tables = REFERENCE.partition("## HTTP API")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables.splitlines() if line.startswith("| `")]
    return {name: default for names, default, _ in rows for name in re.findall(r"`(\w+)`", names)}


def test_the_sample_has_every_setting_and_no_other() -> None:
    assert SAMPLE.keys() == (ALL - STORAGE) | {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"}


def test_memory_is_set_alike_on_every_machine() -> None:
    assert DEFAULTS.items() >= FLAT_MEMORY.items()
    assert SAMPLE.items() >= FLAT_MEMORY.items()


def test_the_template_has_every_setting_and_no_other() -> None:
    assert BICEP.keys() == (ALL - STORAGE - LOCAL_ONLY) | {"AzureWebJobsStorage__accountName"} | IN_AZURE_ONLY


def test_the_reference_has_every_setting() -> None:
    documented = _documented().keys()
    assert (ALL | IN_AZURE_ONLY | PLATFORM) - documented == set()
    assert {name for name in documented if name.isupper()} - ALL - IN_AZURE_ONLY - PLATFORM == set()


def told(**texts: Any) -> Settings:
    """Settings of an environment with these texts."""
    return Settings(**{**NEEDED, **texts})


def test_what_the_platform_tells_is_read_as_it_is_written() -> None:
    for said, means in (("True", True), ("true", True), ("1", True), ("False", False), ("", False), ("perhaps", False)):
        assert told(website_auth_enabled=said).website_auth_enabled is means


def test_the_readme_names_settings_that_there_are() -> None:
    rows = re.findall(r"^\| (`[A-Z][\w`, ]+`) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named
    assert named - ALL == set()


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - STORAGE))
def test_defaults_are_those_of_the_code(name: str) -> None:
    field = FIELDS[name]
    default = Settings.model_fields[field].get_default()
    if Settings.model_fields[field].is_required() or not default:
        return
    stated = {"template": DEFAULTS.get(name), "reference": _documented()[name].strip("`")}
    if name != "TELEMETRY_EXPORTER":  # nothing to export to on a developer's machine
        stated["sample"] = SAMPLE[name]
    for place, text in stated.items():
        if text:
            assert getattr(told(**{field: text}), field) == default, place


def test_defaults_that_only_the_host_reads_are_the_same_everywhere() -> None:
    for name in ALL - FIELDS.keys():
        assert SAMPLE[name] == DEFAULTS[name] == _documented()[name].strip("`"), name


def test_no_setting_of_the_template_holds_a_secret() -> None:
    assert not {name for name in BICEP if re.search(r"KEY|PASSWORD|SECRET", name)}
