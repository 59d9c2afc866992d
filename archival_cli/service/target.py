"""Which service is meant: flags, the environment, a profile, or the local stack that `make run` keeps up."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from archival_cli.errors import MISUSED, UNREACHABLE, CommandError
from archival_cli.service import profiles


def find(
    url: str | None,
    key: str | None,
    profile: str | None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    file: Path | None = None,
) -> tuple[str, str | None]:
    """The API's URL, which ends in `/api`, and the key; raises `CommandError` if nothing says where the service is.

    A key is for the service that it was given with: that of a profile or of the local stack never goes to another
    address, and that of the environment never to a profile's.
    """
    environment = os.environ if environment is None else environment
    given = key or environment.get("ARCHIVAL_API_KEY")
    profile = profile or environment.get("ARCHIVAL_PROFILE")
    if url is None and profile is None:
        url = environment.get("ARCHIVAL_API_URL")
    if url is not None:
        return address(url), given
    known = profiles.read(file)
    if profile is not None and profile not in known.profiles:
        names = ", ".join(sorted(known.profiles)) or "none"
        raise CommandError(f"there is no profile {profile!r} (there is: {names}); `archival login URL` makes one", MISUSED)
    local = local_stack(folder)
    # inside a checkout whose stack is up, that stack is meant, unless a profile is named
    if profile is None and local is not None:
        return address(local[0]), given or local[1]
    chosen = known.profiles.get(profile or known.chosen or "")
    if chosen is None:
        raise CommandError(
            "which service? `archival login https://<app>.azurewebsites.net` keeps one; or give --url, set ARCHIVAL_API_URL,"
            " or start the local stack with `make run`",
            UNREACHABLE,
        )
    return address(chosen.url), key or chosen.key


def address(url: str) -> str:
    """The API's URL, with or without the `/api` at its end that people may leave out; raises `CommandError`."""
    parts = urlsplit(url if "//" in url or ":" in url.split("/")[0].split(".")[0] else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise CommandError(f"{url!r} is no http:// or https:// address", MISUSED)
    path = parts.path.rstrip("/")
    for shown in ("/dashboard", "/docs"):
        path = path.removesuffix(shown)
    return urlunsplit((parts.scheme, parts.netloc, path if path.endswith("/api") else f"{path}/api", "", ""))


def local_stack(folder: Path | None = None) -> tuple[str, str] | None:
    """API URL and key of the stack that `make run` keeps up in `folder` (or the working folder); `None` if there is none."""
    file = (Path.cwd() if folder is None else folder) / ".local" / "stack.json"
    try:
        found = json.loads(file.read_text())
        return found["api_url"], found["function_key"]
    except (OSError, ValueError, KeyError):
        return None
