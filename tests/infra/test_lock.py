"""What is installed is what was locked: every package that is needed, in one version, and nothing that was altered since."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.infra.bicep import ROOT

FILES = ("requirements.txt", "requirements-dev.txt")


def asked(file: str) -> list[Requirement]:
    """The lines of an `.in` file, without the files that it includes."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def locked(file: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and digests of each package."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / file).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for line in text.splitlines():
        requirement, *digests = re.split(r"\s+--hash=", line.strip())
        parsed = Requirement(requirement)
        [pin] = parsed.specifier
        assert (pin.operator, parsed.url) == ("==", None), line
        assert canonicalize_name(parsed.name) not in found, f"{parsed.name} has two versions"
        found[canonicalize_name(parsed.name)] = (pin.version, frozenset(digests))
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_package_has_one_version_and_digests(file: str) -> None:
    packages = locked(file)
    assert len(packages) > 70
    for name, (_, digests) in packages.items():
        assert digests, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in digests), name


@pytest.mark.parametrize("file", FILES)
def test_what_is_asked_for_is_locked(file: str) -> None:
    packages = locked(file)
    for requirement in asked(file.replace(".txt", ".in")):
        [pin] = requirement.specifier
        assert packages[canonicalize_name(requirement.name)][0] == pin.version, "run make lock"


@pytest.mark.parametrize("file", FILES)
def test_what_a_package_needs_is_locked_too(file: str) -> None:
    packages = locked(file)
    for name in packages:
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:  # of another platform
            continue
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonicalize_name(need.name) in packages, f"{name} needs {need.name}: run make lock"


def test_developers_have_what_is_deployed() -> None:
    deployed, developed = map(locked, FILES)
    assert deployed.items() <= developed.items()


@pytest.mark.parametrize("file", [*FILES, "requirements.in", "requirements-dev.in"])
def test_no_file_names_an_index(file: str) -> None:
    text = (ROOT / file).read_text()
    assert not re.search(r"https?://|file:/|--(extra-)?index|--find-links|--trusted-host|(^|\s)-[if]\s", text)
