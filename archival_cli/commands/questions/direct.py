"""Answers of this process: the one place where the command line has to do with the service's own code."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final, Self

from archival_cli.errors import MISUSED, REFUSED, CommandError

_FORMS: Final = {
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "arrow",
    "application/vnd.apache.parquet": "parquet",
}
#: The caller's own machine: an hour, 4 GiB of DuckDB, and an answer that is held in memory.
_SECONDS, _MEMORY, _ROWS, _BYTES = 3600.0, 4096, 100_000_000, 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Direct:
    """Source and lake, each with the caller's own rights."""

    database_url: str
    lake_url: str
    account_key: str | None

    @classmethod
    def from_environment(cls) -> Self:
        """Raises `CommandError` where the environment does not say."""
        for name in ("SOURCE_DATABASE_URL", "LAKE_URL"):
            if not os.environ.get(name):
                raise CommandError(f"--direct: {name} is not set", MISUSED)
        return cls(os.environ["SOURCE_DATABASE_URL"], os.environ["LAKE_URL"], os.environ.get("LAKE_ACCOUNT_KEY") or None)

    def fetched(
        self, sql: str, media: str, limit: int | None, as_text: Collection[str], *, explain: bool = False
    ) -> tuple[bytes, dict[str, str]]:
        """Body and headers as the service's answer would have them; raises `CommandError`."""
        try:
            from archival_core.errors import ArchivalError, SettingsError
            from archival_core.query.direct import answer
            from archival_core.query.question.limits import Limits
        except ImportError as error:
            raise CommandError(
                f"--direct: {error.name} is not installed; pip install 'archival-service[service]' has it", MISUSED
            ) from error
        limits = Limits(seconds=_SECONDS, memory_mib=_MEMORY, rows=limit or _ROWS, bytes=_BYTES, threads=os.cpu_count() or 2)
        try:
            found = answer(
                sql,
                _FORMS[media],  # type: ignore[arg-type]  # one of its forms
                database_url=self.database_url,
                lake_url=self.lake_url,
                account_key=self.account_key,
                limits=limits,
                as_text=as_text,
                explain=explain,
            )
        except ArchivalError as error:
            exit_code = MISUSED if isinstance(error, SettingsError) else REFUSED
            raise CommandError(f"{error} ({error.code})", exit_code, error.code) from error
        said, body = found.answer, found.body
        figures, notes = asdict(said.figures), [asdict(note) for note in said.notes]
        if media == "application/json":
            columns = [{"name": name, "type": kind} for name, kind in said.columns]
            told = {"columns": columns, "cut": said.cut, "figures": figures, "notes": notes, "tables": said.tables}
            body = b'{"rows":' + (body or b"[]") + b"," + json.dumps(told).encode()[1:]
        headers = {"archival-query-figures": json.dumps(figures), "archival-query-notes": json.dumps(notes)}
        headers["archival-query-rows"] = str(said.rows)
        return body, headers | ({"archival-query-cut": said.cut} if said.cut else {})
