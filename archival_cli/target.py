"""Which service is meant: flags, then the environment, then the local stack that `make run` keeps up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from archival_cli.errors import UNREACHABLE, CommandError


def find(url: str | None, key: str | None, environment: Mapping[str, str], folder: Path) -> tuple[str, str | None]:
    """The API's URL and the key; raises `CommandError` if nothing says where the service is."""
    url = url or environment.get("ARCHIVAL_API_URL")
    key = key or environment.get("ARCHIVAL_API_KEY")
    if url is None:
        stack = folder / ".local" / "stack.json"
        try:
            local = json.loads(stack.read_text())
            url, key = local["api_url"], key or local["function_key"]
        except (OSError, ValueError, KeyError):
            raise CommandError(
                "which service? Give --url (https://<app>.azurewebsites.net/api), set ARCHIVAL_API_URL,"
                " or start the local stack with `make run`",
                UNREACHABLE,
            ) from None
    assert url is not None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise CommandError(f"{url!r} is no http:// or https:// address", UNREACHABLE)
    return url, key
