"""Commits of a Delta table's log, as the bytes of their files.

The format is that of the Delta Lake protocol (github.com/delta-io/delta, PROTOCOL.md). A commit is one file of JSON lines,
`_delta_log/<version>.json`; whoever creates the file has made the commit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

#: A feature that no other writer knows: the protocol has every engine read the table, and refuse to write to it.
WRITER_FEATURE: Final = "archivalService"
#: The log, and files that left the table, are nobody else's to tidy up. Checkpoints are the service's own too.
CONFIGURATION: Final[Mapping[str, str]] = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.autoOptimize.autoCompact": "false",
    "delta.autoOptimize.optimizeWrite": "false",
}
#: of a column in the table's metadata: the table's statistics are of it
_BOUNDED: Final = "archival.bounded"
_TYPES: Final[Mapping[str, str]] = {
    "int16": "short",
    "int32": "integer",
    "int64": "long",
    "float": "float",
    "double": "double",
    "bool": "boolean",
    "string": "string",
    "binary": "binary",
    "date32[day]": "date",
    "timestamp[us]": "timestamp_ntz",
    "timestamp[us, tz=UTC]": "timestamp",
}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of the table's schema."""

    name: str
    #: Arrow type, as `ManifestColumn.arrow_type` has it
    form: str
    #: PostgreSQL's type, number in the lake, and the like
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_bounded(self) -> bool:
        """Whether the table's statistics are of it."""
        return _BOUNDED in self.metadata

    def with_bounds(self) -> TableColumn:
        """The same, as one that the table's statistics are of."""
        return replace(self, metadata={**self.metadata, _BOUNDED: True})


@dataclass(frozen=True, slots=True)
class TableFile:
    """A Parquet file that enters the table."""

    #: relative to the table's folder: `<archive>/part-00000.parquet`
    path: str
    length: int
    #: as the protocol's `stats`, JSON
    statistics: str
    #: in milliseconds since 1970
    modified: int


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit says."""

    #: of the log: application transactions of another log have another id
    log_id: UUID
    #: the application transaction's version
    sequence: int
    #: of this very commit: whoever finds it in the log knows that it is his
    token: UUID
    at: datetime
    adds: tuple[TableFile, ...] = ()
    #: paths, as in `TableFile`
    removes: tuple[str, ...] = ()
    #: the table's columns, where they are new or other ones than before
    columns: tuple[TableColumn, ...] = ()
    #: name of the table, of whoever reads its metadata
    name: str = ""


def delta_type(form: str) -> str | dict[str, Any]:
    """The type of the protocol for an Arrow type by its name; raises `ValueError` for what no archive has."""
    if form in _TYPES:
        return _TYPES[form]
    if match := re.fullmatch(r"decimal128\((\d+), (\d+)\)", form):
        return f"decimal({match[1]},{match[2]})"
    if match := re.fullmatch(r"list<\w+: (.+)>", form):
        return {"type": "array", "elementType": delta_type(match[1].removesuffix(" not null")), "containsNull": True}
    if form.startswith("map<string, string"):
        return {"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": True}
    raise ValueError(f"a column in the form {form!r} has no type in a Delta table")


def schema_json(columns: Iterable[TableColumn]) -> str:
    """The protocol's `schemaString`."""
    fields = [
        {"name": column.name, "type": delta_type(column.form), "nullable": True, "metadata": dict(column.metadata)}
        for column in columns
    ]
    return _json({"type": "struct", "fields": fields})


def app_id(log_id: UUID) -> str:
    """The protocol's `appId` of a log's application transactions."""
    return f"archival_service/{log_id}"


def commit_file(version: int) -> str:
    """The name of a commit's file in the folder `_delta_log`."""
    return f"{version:020d}.json"


def commit_content(commit: Commit) -> bytes:
    """The content of a commit's file."""
    milliseconds = int(commit.at.timestamp() * 1000)
    lines: list[dict[str, Any]] = [{"commitInfo": _info(commit, milliseconds)}]
    if commit.columns:
        lines += [{"protocol": _protocol(commit.columns)}, {"metaData": _metadata(commit, milliseconds)}]
    lines.append({"txn": {"appId": app_id(commit.log_id), "version": commit.sequence, "lastUpdated": milliseconds}})
    lines += [
        {"remove": {"path": path, "deletionTimestamp": milliseconds, "dataChange": True, "extendedFileMetadata": False}}
        for path in commit.removes
    ]
    lines += [{"add": _add(file)} for file in commit.adds]
    return "".join(_json(line) + "\n" for line in lines).encode()


def is_commit_of(content: bytes, token: UUID) -> bool:
    """Whether a commit's file is that of the commit with this token."""
    first, _, _ = content.partition(b"\n")
    try:
        found = json.loads(first)["commitInfo"]["operationParameters"]["token"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(found == str(token))


def _info(commit: Commit, milliseconds: int) -> dict[str, Any]:
    # every parameter is text: engines that show a table's history expect that
    parameters = {
        "mode": "Append",
        "partitionBy": "[]",
        "sequence": str(commit.sequence),
        "token": str(commit.token),
        "filesAdded": str(len(commit.adds)),
        "filesRemoved": str(len(commit.removes)),
    }
    return {
        "timestamp": milliseconds,
        "operation": "WRITE",
        "operationParameters": parameters,
        "engineInfo": "archival_service",
        "isBlindAppend": not commit.removes,
    }


def _protocol(columns: Iterable[TableColumn]) -> dict[str, Any]:
    """The least versions that every reader needs; the feature `timestampNtz` is for timestamps without a time zone."""
    if not any("timestamp[us]" in column.form for column in columns):
        return {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": [WRITER_FEATURE]}
    return {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": ["timestampNtz"],
        "writerFeatures": ["timestampNtz", WRITER_FEATURE],
    }


def _metadata(commit: Commit, milliseconds: int) -> dict[str, Any]:
    return {
        "id": str(commit.log_id),
        "name": commit.name,
        "description": "Archived by archival_service, which alone writes here; docs/reading.md says how to read it.",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema_json(commit.columns),
        "partitionColumns": [],
        "createdTime": milliseconds,
        "configuration": {**CONFIGURATION, **_statistics(commit.columns)},
    }


def _statistics(columns: Iterable[TableColumn]) -> dict[str, str]:
    """Which columns statistics are of: of all others readers must not think that files tell."""
    names = [column.name for column in columns if column.is_bounded]
    quoted = [name if re.fullmatch(r"\w+", name, re.ASCII) else f"`{name}`" for name in names]
    return {"delta.dataSkippingStatsColumns": ",".join(quoted)} if names else {}


def _add(file: TableFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "partitionValues": {},
        "size": file.length,
        "modificationTime": file.modified,
        "dataChange": True,
        "stats": file.statistics,
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
