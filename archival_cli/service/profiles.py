"""Services that `archival login` keeps, with their keys, in a file that its owner alone can read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from archival_cli.errors import MISUSED, CommandError


@dataclass(frozen=True, slots=True)
class Profile:
    """One service."""

    url: str
    key: str | None


@dataclass(slots=True)
class Profiles:
    """Every service that is kept, by its name, and the one that is asked when nothing else is said."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    chosen: str | None = None


def place() -> Path:
    """Where they are kept: `ARCHIVAL_CONFIG`, or the platform's folder for settings."""
    return Path(os.environ.get("ARCHIVAL_CONFIG") or Path(click.get_app_dir("archival")) / "profiles.json")


def read(file: Path | None = None) -> Profiles:
    """What is kept; raises `CommandError` if the file cannot be understood."""
    file = file or place()
    try:
        found = json.loads(file.read_text())
        profiles = {name: Profile(one["url"], one["key"]) for name, one in found["profiles"].items()}
        return Profiles(profiles, found["chosen"])
    except FileNotFoundError:
        return Profiles()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"{file} cannot be read: {error}; correct it, or delete it and log in again", MISUSED) from None


def write(profiles: Profiles, file: Path | None = None) -> Path:
    """Keep them; the file is the owner's alone (mode 0600) from its first byte on, and replaced in one step."""
    file = file or place()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(asdict(profiles), opened, indent=2)
    beside.replace(file)
    return file
