"""The lake's files for Arrow's own readers, which fetch and decode ranges without Python."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as fs

from archival_core.lake.url import parse_lake_url


def arrow_files(lake_url: str, account_key: str | None = None) -> tuple[fs.FileSystem, str]:
    """A file system, and the folder in it that `LAKE_URL` names. Connects to nothing yet.

    Without a key the identity of the process is used, as Azure's SDK for C++ finds it. Raises `SettingsError`.
    """
    endpoint, account, filesystem, prefix = parse_lake_url(lake_url)
    parts = urlsplit(endpoint)
    options: dict[str, Any] = {"account_key": account_key} if account_key else {}
    for service in ("blob", "dfs"):
        # a local server has the account in the path; else the account is the first part of the host
        cloud = parts.netloc if parts.path else "." + parts.netloc.partition(".")[2].replace("dfs.", f"{service}.", 1)
        options |= {f"{service}_storage_authority": cloud, f"{service}_storage_scheme": parts.scheme}
    return fs.AzureFileSystem(account, **options), "/".join(part for part in (filesystem, prefix) if part)
