"""What azd runs before and after it provisions, with programs of the test's own in place of `az` and `azd`."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra import containers
from tests.infra.bicep import INFRA, ROOT, load

HOOKS: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]
AZ = """#!/bin/sh
case "$*" in
  "account show --query user.type"*) echo "$KIND" ;;
  "account show --query user.name"*) echo app-id ;;
  "ad sp show --id app-id --query id"*) echo sp-object-id ;;
  "ad sp show --id app-id --query displayName"*) echo "deploying app" ;;
  "ad signed-in-user show --query id"*) echo user-object-id ;;
  "ad signed-in-user show --query userPrincipalName"*) echo you@example.com ;;
  *) exit 1 ;;
esac
"""


def run_before(folder: Path, az: str = AZ, **environment: str) -> tuple[int, list[str], str]:
    """Exit code, what azd was told, and what the person reads."""
    for name, script in (("az", az), ("azd", '#!/bin/sh\necho "$*" >> "$TOLD"\n')):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    told = folder / "told"
    done = subprocess.run(
        ["sh", INFRA / "hooks/preprovision.sh"],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "TOLD": str(told), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, told.read_text().splitlines() if told.exists() else [], done.stderr


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("user", ["user-object-id", "you@example.com", "User"]),
        ("servicePrincipal", ["sp-object-id", "deploying app", "ServicePrincipal"]),
    ],
)
def test_who_deploys_becomes_the_administrator(tmp_path: Path, kind: str, told: list[str]) -> None:
    names = ("DATABASE_ADMIN_ID", "DATABASE_ADMIN_NAME", "DATABASE_ADMIN_TYPE")
    expected = [f"env set {name} {value}" for name, value in zip(names, told, strict=True)]
    assert run_before(tmp_path, KIND=kind) == (0, expected, "")


@pytest.mark.parametrize("given", ["DATABASE_ADMIN_ID", "DATABASE_ADMIN_NAME"])
def test_somebody_else_stays(tmp_path: Path, given: str) -> None:
    assert run_before(tmp_path, KIND="user", **{given: "somebody"}) == (0, [], "")


def test_beside_a_database_that_is_brought_along_who_deploys_may_look_at_the_lake(tmp_path: Path) -> None:
    """azd gives the template an object id, and a role is refused for an object of another kind than it says."""
    code, told, _ = run_before(tmp_path, KIND="servicePrincipal", SOURCE_DATABASE_URL="postgresql://r@db/tsdb")
    assert (code, told[-1]) == (0, "env set DATABASE_ADMIN_TYPE ServicePrincipal")
    assert run_before(tmp_path / "..", az="#!/bin/sh\nexit 1\n", SOURCE_DATABASE_URL="postgresql://r@db/tsdb")[0] == 0


def test_who_is_in_another_subscription_is_told_before_anything_is_made(tmp_path: Path) -> None:
    az = AZ.replace("*) exit 1", '"account show --query id"*) echo one ;;\n  *) exit 1')
    code, told, words = run_before(tmp_path, az, KIND="user", AZURE_SUBSCRIPTION_ID="another", DATABASE_ADMIN_ID="somebody")
    assert (code, told) == (1, [])
    assert "az account set --subscription another" in words
    assert run_before(tmp_path, az, KIND="user", AZURE_SUBSCRIPTION_ID="one", DATABASE_ADMIN_ID="somebody") == (0, [], "")
    assert run_before(tmp_path, AZ, KIND="user", AZURE_SUBSCRIPTION_ID="one")[0] == 0, "az tells nothing"


def test_who_is_not_signed_in_is_told_what_to_do(tmp_path: Path) -> None:
    code, told, words = run_before(tmp_path, az="#!/bin/sh\nexit 1\n")
    assert (code, told) == (1, [])
    assert "az login" in words
    assert "azd env set DATABASE_ADMIN_ID" in words


def test_every_hook_is_there_for_both_kinds_of_systems() -> None:
    scripts = {path.stem for path in (INFRA / "hooks").glob("*.*") if path.suffix != ".sql"}
    assert scripts == {*HOOKS, "inside"}
    for name, hook in HOOKS.items():
        assert (hook["posix"]["shell"], hook["posix"]["run"]) == ("sh", f"infra/hooks/{name}.sh")
        assert (hook["windows"]["shell"], hook["windows"]["run"]) == ("pwsh", f"infra/hooks/{name}.ps1")
    values = re.compile(r"\b(?:DATABASE|SOURCE|RESOURCE|IDENTITY|PRIVATE|API|FUNCTION|TOOLS|GRANTS|INSIDE|PG)_?[A-Z_]+\b")
    for name in scripts:
        posix, windows = ((INFRA / f"hooks/{name}.{kind}").read_text() for kind in ("sh", "ps1"))
        assert set(values.findall(posix)) == set(values.findall(windows)), name
        assert ("psql " in posix) == ("psql " in windows), name


def test_what_the_hooks_read_is_an_output_or_said_by_a_person() -> None:
    outputs = load(INFRA / "main.bicep").of("output").keys()
    read = set(re.findall(r"readEnvironmentVariable\('(\w+)'", (INFRA / "main.bicepparam").read_text()))
    guide = (ROOT / "docs/deploy.md").read_text()
    for name in ("postprovision", "postdeploy", "inside"):
        script = (INFRA / f"hooks/{name}.sh").read_text()
        named = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", script)) - {"PGHOST", "PGUSER", "PGPASSWORD"}
        assert {
            value for value in named - outputs - read if f"`{value}`" not in guide and f"{value}=" not in script
        } == set(), name


PRIVATE = {
    "RESOURCE_GROUP": "rg",
    "DATABASE_SERVER": "server",
    "DATABASE_HOST": "server.postgres.database.azure.com",
    "IDENTITY_OBJECT_ID": "an-object-id",
    "DATABASE_ADMIN_NAME": "you@example.com",
    "TOOLS_SUBNET_ID": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net/subnets/tools",
}


def run_after(
    folder: Path, *, psql: str = "cat > $TOLD", pending: str = "False", **environment: str
) -> tuple[int, str, list[str]]:
    """Exit code, what the person reads, and what `az postgres` was asked."""
    scripts = {
        "az": f"""echo "$*" >> {folder}/asked
case "$*" in
  *isConfigPendingRestart*) echo {pending} ;;
  *get-access-token*) echo a-token ;;
  "ad signed-in-user"*) [ -n "$PERSON" ] && echo "$PERSON" || exit 1 ;;
  "ad sp"*) [ -n "$APPLICATION" ] && echo "$APPLICATION" || exit 1 ;;
  *--server-name*) exit $OLD_CLI ;;
{containers.branch(folder / "containers")}esac""",
        "curl": "echo 192.0.2.1",
        "psql": f'echo "$PGHOST $PGUSER $PGPASSWORD $PGDATABASE $*" > {folder}/connected; {psql}',
        "sleep": "exit 0",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    done = subprocess.run(
        ["sh", INFRA / "hooks/postprovision.sh"],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "TOLD": str(folder / "told"),
            "OLD_CLI": "0",
            "PERSON": "me",
            "APPLICATION": "",
            **PRIVATE,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr, (folder / "asked").read_text().splitlines()


def test_a_private_database_is_told_by_a_container_inside_its_network(tmp_path: Path) -> None:
    code, words, az = run_after(tmp_path, pending="True")
    assert code == 0, words
    assert sum("flexible-server restart" in call for call in az) == 1
    assert not [call for call in az if "firewall-rule" in call]
    [create] = [call for call in containers.calls(tmp_path / "containers") if call[1] == "create"]
    assert containers.option(create, "--subnet") == [PRIVATE["TOOLS_SUBNET_ID"]]
    # a token is a secret: what is not secure can be read by whoever may look at the container
    assert containers.option(create, "--secure-environment-variables") == ["PGPASSWORD=a-token"]
    assert "a-token" not in " ".join(containers.option(create, "--environment-variables"))
    assert not containers.left(tmp_path / "containers")
    assert (
        (tmp_path / "connected").read_text().startswith("server.postgres.database.azure.com you@example.com a-token postgres ")
    )
    told = (tmp_path / "told").read_text()
    assert "\\set identity an-object-id\n\\set connections 200\n" in told
    assert "GRANT data_owner TO archival_service;" in told
    # az.cmd is given no more than 8,191 letters by Windows
    assert len(" ".join(create)) < 6000


def test_a_container_that_fails_is_told_and_removed(tmp_path: Path) -> None:
    code, words, _ = run_after(tmp_path, psql='echo "ERROR: no such role" >&2; exit 3')
    assert code != 0
    assert "no such role" in words
    assert "The service may archive" not in words
    assert not containers.left(tmp_path / "containers")


def test_in_a_network_that_was_brought_along_a_person_is_told_both_ways(tmp_path: Path) -> None:
    (tmp_path / "asked").touch()
    code, words, az = run_after(tmp_path, TOOLS_SUBNET_ID="")
    assert (code, az) == (0, [])
    assert "GRANTS_SUBNET_ID" in words
    assert "INSIDE_THE_NETWORK=1 RESOURCE_GROUP=rg" in words
    code, words, _ = run_after(tmp_path, TOOLS_SUBNET_ID="", GRANTS_SUBNET_ID="/subnets/mine")
    assert code == 0
    assert containers.option(containers.calls(tmp_path / "containers")[1], "--subnet") == ["/subnets/mine"]


@pytest.mark.parametrize("who", [{}, {"PERSON": "", "APPLICATION": "me"}], ids=["person", "application"])
def test_who_is_not_the_administrator_is_told_who_has_to_make_the_grants(tmp_path: Path, who: dict[str, str]) -> None:
    code, words, az = run_after(tmp_path, DATABASE_ADMIN_ID="somebody else", PRIVATE_NETWORKING="false", **who)
    assert code == 0, "the app is published all the same"
    assert "The administrator of the database is you@example.com, and you are somebody else" in words
    assert "PRIVATE_NETWORKING=false TOOLS_SUBNET_ID=/subscriptions/s/" in words
    assert not [call for call in az if call.startswith("postgres")]
    assert not (tmp_path / "told").exists()
    # a member of the group, the administrator, and whoever cannot be asked for
    for mine in (
        {"DATABASE_ADMIN_ID": "some group", "DATABASE_ADMIN_TYPE": "Group"},
        {"DATABASE_ADMIN_ID": "me"},
        {"DATABASE_ADMIN_ID": "somebody", "PERSON": "", "APPLICATION": ""},
    ):
        code, words, _ = run_after(tmp_path, **{"PRIVATE_NETWORKING": "false", **who, **mine})
        assert code == 0, words
        assert "The service may archive" in words


@pytest.mark.parametrize("old", ["0", "2"], ids=["new", "before-2.86"])
def test_the_firewall_is_opened_by_either_kind_of_azure_cli(tmp_path: Path, old: str) -> None:
    code, words, az = run_after(tmp_path, PRIVATE_NETWORKING="false", OLD_CLI=old)
    assert code == 0, words
    opened = [call for call in az if "firewall-rule create" in call][-1]
    assert ("--name server --rule-name me" if old == "2" else "--server-name server --name me") in opened
    assert not (tmp_path / "containers").exists()
    assert "GRANT data_owner TO archival_service;" in (tmp_path / "told").read_text()


def test_a_new_rule_of_the_firewall_is_waited_for(tmp_path: Path) -> None:
    refused = (
        f'case "$*" in *"select 1"*) [ -e {tmp_path}/asked-before ] || {{ touch {tmp_path}/asked-before; exit 2; }} ;; esac; '
    )
    code, words, _ = run_after(tmp_path, psql=f"{refused}cat > $TOLD", PRIVATE_NETWORKING="false")
    assert code == 0, words
    assert words.count("takes up to five minutes") == 1
    code, words, _ = run_after(tmp_path, psql="exit 2", PRIVATE_NETWORKING="false")
    assert code == 1
    assert words.count("takes up to five minutes") == 9
    assert "step 4" in words


def run_down(folder: Path, *, lock: str = "", **environment: str) -> tuple[int, str]:
    """Exit code, and what the person reads."""
    (folder / "az").write_text(f"#!/bin/sh\n{lock or 'exit 3'}\n")
    (folder / "az").chmod(0o755)
    done = subprocess.run(
        ["sh", INFRA / "hooks/predown.sh"],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "RESOURCE_GROUP": "rg", "LAKE_ACCOUNT": "stlake", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


def test_azd_down_spares_the_group_of_a_lake_that_was_brought_along(tmp_path: Path) -> None:
    """azd deletes whole resource groups, that of the module which gives access to the lake among them (azure-dev#2916)."""
    code, words = run_down(tmp_path, LAKE_ACCOUNT_ID="/subscriptions/s/resourceGroups/g/providers/x/y/lake")
    assert code == 1
    assert "az group delete -n rg" in words


def test_azd_down_says_which_lock_is_deleted_first(tmp_path: Path) -> None:
    code, words = run_down(tmp_path, lock="echo archives")
    assert code == 1
    assert "az lock delete --name archives -g rg " in words
    assert run_down(tmp_path, lock="exit 0") == (0, "")
    assert run_down(tmp_path) == (0, ""), "az was not signed in: the lock itself holds"
    assert run_down(tmp_path, RESOURCE_GROUP="") == (0, ""), "nothing was made"


def test_azd_ends_with_where_to_look_and_what_to_do() -> None:
    done = subprocess.run(
        ["sh", INFRA / "hooks/postdeploy.sh"],
        env={"PATH": os.environ["PATH"], "API_URL": "https://app/api", "RESOURCE_GROUP": "rg", "FUNCTION_APP": "app"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "https://app/api/dashboard\n" in done.stdout
    assert (
        "az functionapp keys list -g rg -n app --query functionKeys.default -o tsv | archival login https://app/api\n"
        in done.stdout
    )
