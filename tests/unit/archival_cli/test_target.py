"""Which service the command line asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archival_cli.errors import CommandError
from archival_cli.service import profiles, target


def _kept(folder: Path) -> Path:
    known = profiles.Profiles(
        {"work": profiles.Profile("https://office/api", "w"), "home": profiles.Profile("http://home/api", "h")}
    )
    known.chosen = "work"
    return profiles.write(known, folder / "settings" / "profiles.json")


def test_a_flag_goes_first_then_the_environment_the_local_stack_and_the_chosen_profile(tmp_path: Path) -> None:
    environment = {"ARCHIVAL_API_URL": "http://environment/api", "ARCHIVAL_API_KEY": "environment"}
    kept = _kept(tmp_path)

    def find(url: str | None, key: str | None, profile: str | None, given: dict[str, str]) -> tuple[str, str | None]:
        return target.find(url, key, profile, given, tmp_path, kept)

    assert find("http://flag/api", "flag", "home", environment) == ("http://flag/api", "flag")
    assert find(None, None, None, environment) == ("http://environment/api", "environment")
    assert find(None, None, "home", environment) == ("http://home/api", "h")
    assert find(None, None, None, {"ARCHIVAL_PROFILE": "home"}) == ("http://home/api", "h")
    assert find(None, None, None, {}) == ("https://office/api", "w")
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps({"api_url": "http://local/api", "function_key": "local"}))
    assert find(None, None, None, {}) == ("http://local/api", "local")
    assert find(None, None, "work", {}) == ("https://office/api", "w")
    # the keys of the local stack and of a profile are for their own services alone
    assert find("http://elsewhere/api", None, None, {}) == ("http://elsewhere/api", None)
    with pytest.raises(CommandError, match="there is: home, work"):
        find(None, None, "wrok", {})


@pytest.mark.parametrize("url", [None, "ftp://x/api", "http:///api", "file:///etc/passwd"])
def test_no_service_is_an_error(url: str | None, tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        target.find(url, None, None, {}, tmp_path, tmp_path / "none.json")


@pytest.mark.parametrize(
    "url",
    [
        "https://app.azurewebsites.net",
        "https://app.azurewebsites.net/",
        "https://app.azurewebsites.net/api",
        "https://app.azurewebsites.net/api/",
        "https://app.azurewebsites.net/api/dashboard?code=secret#here",
        "app.azurewebsites.net",
    ],
)
def test_an_address_may_be_written_as_people_have_it(url: str) -> None:
    assert target.address(url) == "https://app.azurewebsites.net/api"


def test_an_address_with_a_port_and_a_path_before_the_api() -> None:
    assert target.address("http://localhost:7071") == "http://localhost:7071/api"
    assert target.address("http://gateway/archival/api") == "http://gateway/archival/api"


def test_keys_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    file = _kept(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert profiles.read(file).profiles["home"] == profiles.Profile("http://home/api", "h")
    assert [path.name for path in file.parent.iterdir()] == ["profiles.json"]
    file.chmod(0o644)
    assert profiles.write(profiles.Profiles(), file).stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_understood_is_named(tmp_path: Path) -> None:
    file = tmp_path / "profiles.json"
    file.write_text("[]")
    with pytest.raises(CommandError, match=r"profiles\.json"):
        profiles.read(file)
