"""Every list of settings, from `Settings`, `HostSettings` and `AzureSettings`.

These are the tables of docs/reference.md and of README.md, the sample of local settings, and the defaults of the template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from archival_core.host_settings import AzureSettings, HostSettings
from archival_core.settings import Settings
from dev.docs.marked import with_part
from dev.stack.state import ROOT

REFERENCE_FILE: Final = ROOT / "docs" / "reference.md"
README_FILE: Final = ROOT / "README.md"
SAMPLE_FILE: Final = ROOT / "local.settings.sample.json"
TEMPLATE_FILE: Final = ROOT / "infra" / "modules" / "function-app.bicep"

#: What somebody who tries the service on servers of their own looks for first.
_SHORT: Final = (
    "SOURCE_DATABASE_URL",
    "LEDGER_DATABASE_URL",
    "REDIS_URL",
    "LAKE_URL",
    "LAKE_ACCOUNT_KEY",
    "AzureWebJobsStorage",
    "REMOVAL_POLICY",
    "REMOVAL_GRACE",
    "LAKE_REPLICATION",
    "QUERY_ROLE",
    "TELEMETRY_EXPORTER",
)
#: What the platform tells, and nobody sets.
PLATFORM: Final = frozenset({"WEBSITE_AUTH_ENABLED"})
#: The three forms of the queues' storage: a developer has the first, an app in Azure the second.
STORAGE: Final = ("AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__queueServiceUri")
#: Values for a developer's machine: a setting without a default, and what has nothing to send to there.
_LOCAL: Final = {"FUNCTIONS_WORKER_RUNTIME": "python", "TELEMETRY_EXPORTER": "none"}
#: Of a developer's machine alone, since an app in Azure has an identity.
LOCAL_ONLY: Final = frozenset({"LAKE_ACCOUNT_KEY"})


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the lists show it: `default` and `example` as texts of the environment, empty where there is none."""

    name: str
    default: str
    example: str
    meaning: str


def settings_of(model: type[BaseModel]) -> dict[str, Setting]:
    """The settings of a model by their names in the environment, in the model's order."""
    known = (_setting(field, information) for field, information in model.model_fields.items())
    return {setting.name: setting for setting in known}


def reference_document() -> str:
    """docs/reference.md with the tables of today's settings."""
    own, host, azure = (settings_of(model) for model in (Settings, HostSettings, AzureSettings))
    content = "\n".join(
        [
            "",
            *_table(own | host),
            "",
            "In Azure the template adds, for the host and the libraries:",
            "",
            *_table(azure),
            "",
            "",
        ]
    )
    return with_part(REFERENCE_FILE, "settings", content)


def readme_document() -> str:
    """README.md with the short list of settings."""
    known = settings_of(Settings)
    table = "\n".join(["", *_table({name: known[name] for name in _SHORT}), "", ""])
    return with_part(README_FILE, "settings", re.sub(r"\]\((?=\w+\.(?:md|sql))", "](docs/", table))


def sample_document() -> str:
    """The sample of local settings: every setting with its default, or else with its example."""
    known = settings_of(Settings) | settings_of(HostSettings)
    left_out = {*PLATFORM, *STORAGE[1:]}
    values = {name: setting.default or setting.example for name, setting in known.items() if name not in left_out}
    return json.dumps({"IsEncrypted": False, "Values": values | _LOCAL}, indent=2) + "\n"


def template_document() -> str:
    """The template of the function app with the defaults of every setting that it does not wire to a resource."""
    known = settings_of(Settings) | settings_of(HostSettings)
    _, _, wiring = TEMPLATE_FILE.read_text().partition("var wiring = {\n")
    wired = set(re.findall(r"^  (\w+): ", wiring.partition("\n}\n")[0], re.MULTILINE))
    left_out = {*wired, *PLATFORM, *STORAGE, *LOCAL_ONLY}
    lines = [f"  {name}: '{setting.default}'\n" for name, setting in known.items() if name not in left_out]
    return with_part(TEMPLATE_FILE, "settings", f"var defaults = {{\n{''.join(lines)}}}\n", comment=("// ", ""))


def _table(settings: dict[str, Setting]) -> Iterator[str]:
    yield "| Setting | Default | Meaning |"
    yield "| --- | --- | --- |"
    for setting in settings.values():
        default = f" `{setting.default}`" if setting.default else ""
        meaning = f"{setting.meaning}. Such as `{setting.example}`" if setting.example else setting.meaning
        yield f"| `{setting.name}` |{default} | {meaning} |"


def _setting(field: str, information: FieldInfo) -> Setting:
    description = information.description
    assert description, f"{field} has no description"
    said = [words for words in (_choices(information, description), _bounds(information)) if words]
    return Setting(
        name=information.alias or field.upper(),
        default="" if information.is_required() else _text(information.get_default()),
        example=(information.examples or [""])[0],
        meaning=f"{description} ({'; '.join(said)})" if said else description,
    )


def _text(value: Any) -> str:
    """A default as the environment says it: ISO 8601 for durations, nothing for what is not set."""
    if value is None or value is False:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return str(TypeAdapter(timedelta).dump_python(value, mode="json") if isinstance(value, timedelta) else value)


def _choices(information: FieldInfo, description: str) -> str:
    """The values that a setting may have, unless the description explains each of them already."""
    for part in (information.annotation, *get_args(information.annotation)):
        if get_origin(part) is Literal:
            choices = [f"`{choice}`" for choice in get_args(part)]
            return "" if all(choice in description for choice in choices) else f"{', '.join(choices[:-1])} or {choices[-1]}"
    return ""


def _bounds(information: FieldInfo) -> str:
    """The least and the most that a setting may be. That a number is positive needs no word."""
    bounds = {
        bound: limit for entry in information.metadata for bound in ("ge", "le") if (limit := getattr(entry, bound, None))
    }
    least, most = bounds.get("ge"), bounds.get("le")
    if least and most:
        return f"{_text(least)} to {_text(most)}"
    if most:
        return f"at most {_text(most)}"
    return f"at least {_text(least)}" if least and least != 1 else ""
