"""The lake as files of this machine, so that what is compared with DuckDB on bare files reads bare files too."""

from __future__ import annotations

from typing import Any

import pyarrow.fs as fs


def lake_folder(folder: str) -> tuple[Any, str]:
    """A file system, and the folder in it."""
    return fs.LocalFileSystem(), folder
