"""The hooks for PowerShell do and say the same as those for `sh`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.bicep import INFRA
from tests.infra.twins import calls, said

NAMES = sorted(path.stem for path in (INFRA / "hooks").glob("*.sh"))
each_hook = pytest.mark.parametrize("name", NAMES)

#: Where the systems differ: what is said in `sh`, and what is said for it in PowerShell.
OF_ITS_OWN = {
    "psql is needed for the database's grants (Debian: apt-get install postgresql-client; macOS: brew install libpq"
    " && brew link --force libpq). Then: azd hooks run postprovision": [
        "psql is needed for the database's grants: it comes with PostgreSQL's installer for Windows."
        " Then: azd hooks run postprovision"
    ],
    "or run this on a machine in the network, where you are signed in to az:": [
        "or run infra/hooks/postprovision.ps1 on a machine in the network, where you are signed in to az, with"
        " INSIDE_THE_NETWORK=1 and these values:"
    ],
    "The administrator of the database is $DATABASE_ADMIN_NAME, and you are somebody else. In a clone of this repository,"
    " signed in to az, that one runs:": [
        "The administrator of the database is $DATABASE_ADMIN_NAME, and you are somebody else. In a clone of this repository,"
        " signed in to az, that one runs infra/hooks/postprovision.ps1 with these values:"
    ],
    "  $WHAT RESOURCE_GROUP=$RESOURCE_GROUP DATABASE_SERVER=$DATABASE_SERVER DATABASE_HOST=$DATABASE_HOST \\\\": [
        "  $_=$([Environment]::GetEnvironmentVariable($_))"
    ],
    "  IDENTITY_OBJECT_ID=$IDENTITY_OBJECT_ID DATABASE_ADMIN_NAME='$DATABASE_ADMIN_NAME' sh infra/hooks/postprovision.sh": [],
}


def twins(name: str) -> tuple[Path, Path]:
    return INFRA / f"hooks/{name}.sh", INFRA / f"hooks/{name}.ps1"


def test_both_are_there() -> None:
    assert sorted(path.stem for path in (INFRA / "hooks").glob("*.ps1")) == NAMES


@each_hook
def test_they_ask_azure_for_the_same_in_the_same_order(name: str) -> None:
    posix, windows = map(calls, twins(name))
    assert windows == posix
    assert posix or name == "postdeploy", "a script that calls nothing is not understood here"


@each_hook
def test_they_say_the_same(name: str) -> None:
    posix, windows = map(said, twins(name))
    assert sorted(windows) == sorted(sentence for text in posix for sentence in OF_ITS_OWN.get(text, [text]))
    assert posix


def test_every_difference_that_is_allowed_is_there() -> None:
    assert set(OF_ITS_OWN) <= {text for name in NAMES for text in said(twins(name)[0])}


def test_a_difference_is_noticed(tmp_path: Path) -> None:
    posix, windows = tmp_path / "a.sh", tmp_path / "a.ps1"
    posix.write_text('az group delete \\\n  -n "$RG" --yes || true\necho "gone: $RG" >&2\n')
    windows.write_text('az group delete -n $env:RG --yes\nWrite-Host "gone: $env:RG"\n')
    assert calls(posix) == calls(windows) == ["az group delete -n $RG --yes"]
    assert said(posix) == said(windows) == ["gone: $RG"]
    windows.write_text("az group delete -n $env:RG\nWrite-Host 'gone'\n")
    assert calls(posix) != calls(windows)
    assert said(posix) != said(windows)
