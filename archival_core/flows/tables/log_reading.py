"""Where the ledger is not sure of a table's log, the log is read whole, and the ledger's record is set by it."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from archival_core.lake import paths
from archival_core.lake.tables.log import TableLog
from archival_core.lake.tables.snapshot import TableReader, TableSnapshot
from archival_core.ledger.tables.lake_tables import Entered, HeldTable, KnownLog
from archival_core.model.chunks.chunk import Relation
from archival_core.model.lake.delta_log import app_id, schema_json

_LOG = logging.getLogger(__name__)

#: commits that are read to find one that somebody else wrote; one is enough for a finding
_LOOKED_AT: Final = 20


@dataclass(frozen=True, slots=True)
class Reality:
    """What a table's log says, whatever the ledger says."""

    known: KnownLog
    #: files that no archive of the ledger accounts for, relative to the table's folder: the next commit removes them
    foreign: frozenset[str] = frozenset()
    #: the log has other columns than the ledger has for the table
    is_restated: bool = False


def folder_of(hypertable: str) -> str:
    """Where the table lies: `tables/<schema>.<table>`."""
    return f"{paths.TABLES}/{paths.table_folder(Relation.parse(hypertable))}"


class LogReading:
    """Reads logs of one lake for one ledger."""

    def __init__(self, log: TableLog, reader: TableReader) -> None:
        self._log, self._reader = log, reader

    async def catch_up(self, held: HeldTable, *, anew: bool = False) -> Reality:
        """Read the log, and set the ledger's record by it, in the transaction of `held`.

        A log may be further than the ledger because the service's own answer was lost, or because the ledger was put back.
        If neither is the case, somebody else has written to the log, and that is a finding, unless the log is made `anew`
        on purpose. Raises `PermanentError` (`table-log-damaged`).
        """
        folder, known = folder_of(held.known.hypertable), held.known
        found = await self._reader.snapshot(folder)
        finding = None if anew else await self._finding(folder, known, found)
        if finding is not None:
            _LOG.error("the table of %s: %s", known.hypertable, finding["message"])
        if found is None:
            await held.leave_all_but([])
            reality = Reality(replace(known, log_id=uuid4(), sequence=0, version=None, checkpoint=None))
        else:
            reality = await self._reality_of(held, folder, found)
        await held.compared(finding, resolved=anew)
        return reality

    async def _reality_of(self, held: HeldTable, folder: str, found: TableSnapshot) -> Reality:
        files: dict[str, set[str]] = defaultdict(set)
        for path in found.files:
            archive, _, name = path.rpartition("/")
            files[f"{folder}/{archive}" if archive else folder].add(name)
        published = await held.published(files.keys())
        # an archive that lacks a file, or has one too many, does not count as in the table: it enters again, whole
        broken = {name for name, archive in published.items() if files[name] != set(archive.files)}
        there = [
            published.get(name, Entered(name, tuple(sorted(names)), 0)) for name, names in files.items() if name not in broken
        ]
        await held.leave_all_but([archive.folder for archive in there])
        already = await held.files([archive.folder for archive in there])
        await held.enter([archive for archive in there if archive.folder not in already])
        ours = found.log_id == held.known.log_id or held.known.version is None
        known = replace(
            held.known,
            log_id=found.log_id if ours and found.log_id else held.known.log_id,
            sequence=max(found.sequence, held.known.sequence),
            version=found.version,
        )
        return Reality(
            known,
            frozenset(path for name in broken for path in _relative(folder, name, files[name])),
            is_restated=json.loads(found.schema) != json.loads(schema_json(known.columns)) or found.log_id != known.log_id,
        )

    async def _finding(self, folder: str, known: KnownLog, found: TableSnapshot | None) -> Mapping[str, Any] | None:
        """What somebody should look at; `None` where the ledger was only behind."""
        if known.version is None:
            return None
        if found is None:
            return _finding_of("table-log-gone", "its log was gone, and is made anew")
        if found.version < known.version:
            return _finding_of(
                "table-log-back",
                f"its log went back from version {known.version} to {found.version}",
            )
        for version in range(known.version + 1, min(found.version, known.version + _LOOKED_AT) + 1):
            content = await self._log.read(folder, version)
            if content is not None and app_id(known.log_id) not in content.decode(errors="replace"):
                return _finding_of(
                    "table-foreign-commit",
                    f"somebody else wrote version {version} of its log ({_operation(content)}). The next commit takes back what"
                    " that changed; take the right to write to the lake from whoever it was",
                )
        return None


def _relative(folder: str, archive: str, names: set[str]) -> list[str]:
    prefix = archive.removeprefix(folder).strip("/")
    return [f"{prefix}/{name}" if prefix else name for name in names]


def _operation(content: bytes) -> str:
    """What a commit says that it did, if it can be read."""
    for line in content.splitlines():
        try:
            info = json.loads(line).get("commitInfo")
        except (ValueError, AttributeError):
            continue
        if isinstance(info, dict):
            return f"{str(info.get('operation'))[:40]} by {str(info.get('engineInfo'))[:60]}"
    return "it does not say what it did"


def _finding_of(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
