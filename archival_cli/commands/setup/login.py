"""`login`, `logout` and `profiles`: services that the command line knows by name."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import click

from archival_cli.command import Command, Group, Session, pass_session
from archival_cli.errors import MISUSED, CommandError
from archival_cli.service import profiles as kept
from archival_cli.service import target
from archival_cli.service.client import Client
from archival_cli.showing.columns import PROFILES


@click.command(cls=Command)
@click.argument("address", metavar="URL")
@click.option("--name", help="Of the profile; otherwise the first part of the host's name.")
@pass_session
def login(session: Session, address: str, name: str | None) -> int:
    """Keep a service's address and key, and choose it.

    URL may end in /api or not. The key is asked for, or read from the standard input: `az functionapp keys list … | archival
    login URL`. It is kept in a file that its owner alone can read.
    """
    address = target.address(address)
    if urlsplit(address).scheme == "http" and urlsplit(address).hostname not in ("localhost", "127.0.0.1", "::1"):
        session.output.note(f"{address} is not https: whoever is in between can read the key")
    key = session.key or _asked_key()
    # whoever has a wrong key learns it now
    Client(address, key, session.output.note, session.wait).get("intake")
    known = kept.read()
    name = name or _name(address)
    known.profiles[name] = kept.Profile(address, key)
    known.chosen = name
    file = kept.write(known)
    session.output.told({"profile": name, "url": address}, f"{address} is profile {name} from now on, kept in {file}")
    _note_local_stack(session, name)
    return 0


@click.command(cls=Command)
@click.argument("name", required=False)
@pass_session
def logout(session: Session, name: str | None) -> int:
    """Forget a profile and its key.

    Without NAME it is the one that is chosen.
    """
    known = kept.read()
    name = name or known.chosen
    if name not in known.profiles or name is None:
        raise CommandError(f"there is no profile {name!r}" if name else "no profile is chosen", MISUSED)
    del known.profiles[name]
    if known.chosen == name:
        known.chosen = None
    kept.write(known)
    session.output.told({"done": True}, f"profile {name} and its key are forgotten")
    return 0


@click.group(cls=Group, default="list")
def profiles() -> None:
    """Services that `login` has kept."""


@profiles.command("list")
@pass_session
def list_profiles(session: Session) -> int:
    """List the services that `login` has kept."""
    known = kept.read()
    rows = [{"name": name, "url": one.url, "chosen": name == known.chosen} for name, one in sorted(known.profiles.items())]
    session.output.show({"profiles": rows}, rows, PROFILES, "no profile; `archival login URL` makes one")
    return 0


@profiles.command()
@click.argument("name")
@pass_session
def use(session: Session, name: str) -> int:
    """Choose the service that is asked when nothing else is said."""
    known = kept.read()
    if name not in known.profiles:
        raise CommandError(f"there is no profile {name!r} (there is: {', '.join(sorted(known.profiles)) or 'none'})", MISUSED)
    known.chosen = name
    kept.write(known)
    session.output.told({"done": True}, f"{name} is asked from now on")
    _note_local_stack(session, name)
    return 0


def _note_local_stack(session: Session, name: str) -> None:
    local, chosen = target.local_stack(), kept.read().profiles[name]
    if local is not None and target.address(local[0]) != target.address(chosen.url):
        session.output.note(
            f"in this folder commands ask the stack of `make run` while it is up, unless --profile {name} is given"
        )


def _asked_key() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Function key", hide_input=True, err=True)).strip()
    found = sys.stdin.readline().strip().strip('"')
    if not found:
        raise CommandError("which key? Give it on the standard input, or answer the question in a terminal", MISUSED)
    return found


def _name(address: str) -> str:
    return (urlsplit(address).hostname or "service").partition(".")[0]
