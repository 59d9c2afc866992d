"""What LAKE_URL names."""

from __future__ import annotations

import ipaddress
from urllib.parse import unquote, urlsplit

from archival_core.errors import SettingsError


def parse_lake_url(lake_url: str) -> tuple[str, str, str, str]:
    """Endpoint, account, filesystem and prefix; raises `SettingsError`."""
    parts = urlsplit(lake_url.strip())
    host, segments = parts.hostname or "", [unquote(part) for part in parts.path.split("/") if part]
    endpoint, account = f"{parts.scheme}://{parts.netloc}", host.partition(".")[0]
    if _is_local(host) and segments:
        account, segments = segments[0], segments[1:]
        endpoint = f"{endpoint}/{account}"
    # user information would be a secret in a setting that is shown, so it is refused and not quoted
    if parts.scheme not in ("https", "http") or not host or not segments or "@" in parts.netloc:
        raise SettingsError("LAKE_URL must be https://<account>.dfs.core.windows.net/<filesystem>[/<prefix>]")
    return endpoint, account, segments[0], "/".join(segments[1:])


def blob_endpoint(endpoint: str) -> str:
    """The endpoint of the account's blob service; a local server has one for both."""
    return endpoint.replace(".dfs.", ".blob.", 1)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False
