"""Continuous integration, compose file, azure.yaml and documents name only what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import INFRA, ROOT, load

CI: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
AZURE: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text())
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)


def _commands() -> list[str]:
    return [step["run"] for job in CI["jobs"].values() for step in job["steps"] if "run" in step]


def _made(text: str) -> set[str]:
    """In code: fenced, or between single backticks."""
    code = "\n".join([*re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])
    return set(re.findall(r"(?:^|&& |[A-Z]\S*=\S+ )make ([a-z]+(?:-[a-z]+)*)", code, re.MULTILINE))


def test_the_jobs_that_there_should_be() -> None:
    assert CI["jobs"].keys() == {"test", "proof", "timescaledb", "core-tools", "package", "image", "infra"}
    for job in CI["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert any(step.get("uses", "").startswith("actions/checkout@") for step in job["steps"])
    assert CI["permissions"] == {"contents": "read"}


def test_make_targets_of_the_workflow_are_there() -> None:
    made = set().union(*(_made(f"`{command}`") for command in _commands()))
    assert made == {"coverage", "test", "proof", "demo", "package", "infra-check", "snapshots"}
    assert made <= TARGETS


def test_files_of_the_workflow_are_there() -> None:
    for command in _commands():
        for path in re.findall(r"--file (\S+)", command):
            assert (ROOT / path).is_file()


def test_both_licenses_are_tested() -> None:
    images = CI["jobs"]["timescaledb"]["strategy"]["matrix"]["image"]
    assert {image.endswith("-oss") for image in images} == {False, True}
    assert COMPOSE["services"]["timescaledb"]["image"] in images


def test_options_of_the_demo_are_there() -> None:
    source = (ROOT / "dev/demo/__main__.py").read_text()
    commands = [command for command in _commands() if command.startswith("make demo")]
    assert commands
    for option in re.findall(r"--[a-z-]+", " ".join(commands)):
        assert f'"{option}"' in source


def test_compose_gives_a_developer_the_same_services_and_nobody_else() -> None:
    assert COMPOSE["services"].keys() == {"timescaledb", "redis", "azurite", "lake", "app"}
    assert {name for name, service in COMPOSE["services"].items() if "profiles" not in service} == {
        "timescaledb",
        "redis",
        "azurite",
    }
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert not service["image"].endswith(":latest")
        assert ":" in service["image"]


def test_the_same_azurite_everywhere() -> None:
    [version] = re.findall(r'_VERSION = "([\d.]+)"', (ROOT / "dev/servers/azurite.py").read_text())
    assert COMPOSE["services"]["azurite"]["image"].endswith(f":{version}")


def test_the_app_of_the_compose_file_is_the_image_that_is_built() -> None:
    for name in ("lake", "app"):
        service = COMPOSE["services"][name]
        assert (service["build"], service["profiles"]) == (".", ["app"])
        # emulators listen on the loopback address of one of them, which has the ports of all
        assert service["network_mode"] == "service:azurite"
    assert any("docker compose --profile app up" in command for command in _commands())


def test_azd_deploys_what_the_template_makes() -> None:
    [(service, how)] = AZURE["services"].items()
    assert how == {"project": ".", "language": "py", "host": "function"}
    assert (ROOT / AZURE["infra"]["path"] / f"{AZURE['infra']['module']}.bicep").is_file()
    assert f"'azd-service-name': '{service}'" in load(INFRA / "main.bicep").path.read_text()


def test_values_that_the_documents_export_are_read_by_the_parameter_file() -> None:
    read = set(re.findall(r"readEnvironmentVariable\('(\w+)'", (INFRA / "main.bicepparam").read_text()))
    guide = (ROOT / "docs/deploy.md").read_text()
    exported = set(re.findall(r"\b((?:AZURE|DATABASE_ADMIN|PRIVATE|PUBLIC)_[A-Z_]+)=", guide))
    assert exported
    assert exported <= read
    outputs = load(INFRA / "main.bicep").of("output").keys()
    assert set(re.findall(r"\$\(value (\w+)\)", guide)) <= outputs
    assert set(re.findall(r"=\$([A-Z_]+)", guide)) <= outputs


@pytest.mark.parametrize("page", ["deploy", "bring", "operate", "security", "console", "cli", "upgrade", "leave", "restore"])
def test_every_name_in_a_command_is_given_its_value(page: str) -> None:
    """On the page itself, or on that of the deployment, which the others point to."""

    def commands(name: str) -> str:
        return "\n".join(re.findall(r"^```sh\n(.*?)^```", (ROOT / f"docs/{name}.md").read_text(), re.MULTILINE | re.DOTALL))

    given = set(re.findall(r"(?:^|\s)([A-Z][A-Z_]+)=", commands(page) + commands("deploy")))
    outputs = load(INFRA / "main.bicep").of("output").keys()
    assert set(re.findall(r"\$\{?([A-Z][A-Z_]+)\b(?!:-)", commands(page))) - given - outputs == set()


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)#]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / link).exists(), link


def _anchors(text: str) -> set[str]:
    """What the headings of a document are linked by."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_links_lead_to_a_heading(document: Path) -> None:
    for link, anchor in re.findall(r"\]\((?!https?://)([^)#]*\.md)?#([^)]+)\)", document.read_text()):
        assert anchor in _anchors((document.parent / link if link else document).read_text()), f"{link}#{anchor}"


@each_document
def test_make_targets_of_the_documents_are_there(document: Path) -> None:
    assert _made(document.read_text()) - TARGETS == set()


@each_document
def test_files_that_the_documents_name_are_there(document: Path) -> None:
    text = document.read_text()
    for path in re.findall(r"`((?:archival_core|dev|docs|infra|tests|bench)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


@each_document
def test_modules_that_the_documents_run_are_there(document: Path) -> None:
    for module in re.findall(r"python -m ((?:archival_core|dev|bench|tests)[\w.]*)", document.read_text()):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_the_image_has_what_is_published_otherwise() -> None:
    from dev.package.contents import OWN

    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE) for name in line.split()}
    assert copied == set(OWN)
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == copied
    [version] = re.findall(r"^FROM mcr\.microsoft\.com/azure-functions/python:4-python([\d.]+)$", dockerfile, re.MULTILINE)
    assert f'requires-python = ">={version},' in (ROOT / "pyproject.toml").read_text()


def test_the_tests_of_the_stand_in_that_the_documents_name_are_there() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs/faults.md").read_text())
    tests = "".join(path.read_text() for path in (ROOT / "tests/acceptance").glob("test_host_twin*.py"))
    assert set(named) == set(re.findall(r"^def (test_\w+)", tests, re.MULTILINE))
