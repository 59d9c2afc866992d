"""A missing or wrong setting is one clear error that names it, and repeats no value."""

import pytest

from archival_core import settings
from archival_core.errors import SettingsError

GOOD = {
    "SOURCE_DATABASE_URL": "postgresql://app:secret@db/tsdb",
    "REDIS_URL": "rediss://redis:10000",
    "LAKE_URL": "https://acme.dfs.core.windows.net/archive/prod/",
    "AzureWebJobsStorage__accountName": "acmefunctions",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "SOURCE_DATABASE_URL",
        "REDIS_URL",
        "LAKE_URL",
        "AzureWebJobsStorage",
        "LEDGER_DATABASE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    settings.load.cache_clear()


def test_the_ledger_is_in_the_source_unless_said() -> None:
    loaded = settings.load()
    assert loaded.ledger_url == GOOD["SOURCE_DATABASE_URL"]
    assert loaded.lake_url == "https://acme.dfs.core.windows.net/archive/prod"
    assert loaded.queue_service_url == "https://acmefunctions.queue.core.windows.net"


@pytest.mark.parametrize("name", ["SOURCE_DATABASE_URL", "REDIS_URL", "LAKE_URL"])
def test_a_missing_setting_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match=f"{name}: is not set"):
        settings.load()


def test_storage_is_needed_in_one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage__accountName")
    with pytest.raises(SettingsError, match="AzureWebJobsStorage"):
        settings.load()


def test_a_wrong_value_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATABASE_URL", "mysql://app:hunter2@db/tsdb")
    with pytest.raises(SettingsError, match="SOURCE_DATABASE_URL: must be a postgresql:// URL") as caught:
        settings.load()
    assert "hunter2" not in str(caught.value)


def test_a_lake_over_plain_http_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URL", "http://127.0.0.1:1/account/lake")
    monkeypatch.delenv("LAKE_ACCOUNT_KEY", raising=False)
    with pytest.raises(SettingsError, match="LAKE_ACCOUNT_KEY"):
        settings.load()
