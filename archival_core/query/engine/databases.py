"""DuckDBs of one process, each for one question. To make a DuckDB and to close it takes as long as a small question."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import duckdb

_SCHEMA: Final = "public"
#: What every question's DuckDB is told; the limits of the question and its files come after it.
_SETTINGS: Final = MappingProxyType(
    {
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "temp_directory": "''",
        "preserve_insertion_order": "false",
        "TimeZone": "'UTC'",
        # no file is read twice, and what would be kept counts as memory of the question
        "enable_external_file_cache": "false",
        # files of archives never change: their sizes are asked for a quarter as often
        "validate_external_file_cache": "'NO_VALIDATION'",
    }
)


class Databases:
    """One that waits for the next question, and those that have answered theirs."""

    def __init__(self) -> None:
        self._waiting: Any = None
        self._used: list[Any] = []

    def take(self) -> Any:
        """One that nobody has used."""
        self.make()
        waiting, self._waiting = self._waiting, None
        return waiting

    def make(self) -> None:
        """Make one, if none waits."""
        if self._waiting is None:
            made = duckdb.connect(":memory:")
            tell(made, _SETTINGS)
            made.execute(f"CREATE SCHEMA {_SCHEMA}")
            made.execute(f"SET schema = '{_SCHEMA}'")
            self._waiting = made

    def leave(self, used: Any) -> None:
        """One whose answer is there, or will never be; what it has stays in memory until it is closed."""
        self._used.append(used)

    def close_used(self) -> None:
        """Close those that were left."""
        while self._used:
            self._used.pop().close()


def tell(connection: Any, settings: Mapping[str, str]) -> None:
    """Set what DuckDB calls so, each to its SQL."""
    for name, value in settings.items():
        connection.execute(f"SET {name} = {value}")
