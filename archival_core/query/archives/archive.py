"""An archive, as much of it as a question needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archival_core.model.chunks.chunk import Column
from archival_core.model.lake.manifest import ManifestColumn
from archival_core.source.catalog.definition.enum_labels import Labels, are_kept


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One Parquet file of an archive."""

    #: in the lake
    path: str
    rows: int
    bytes: int
    #: of the time column, in its own unit: days, microseconds, or the integer; `None` where times are text
    min_time: int | None
    max_time: int | None
    #: columns that have values whose text is in `_archival_exact`, in the file's order
    corrected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive, as much of it as a question needs."""

    lake_path: str
    chunk: str
    time_column: str
    columns: tuple[ManifestColumn, ...]
    files: tuple[ArchivedFile, ...]
    #: whether its columns have the numbers that they have in the table now
    is_numbered: bool
    #: number of the transaction that made its chunk
    born: str
    #: of the enums of its table, as they were
    labels: Labels

    @property
    def names(self) -> list[str]:
        """Of its columns, in the table's order."""
        return [column.name for column in self.columns]

    def found(self, columns: Sequence[Column]) -> tuple[ManifestColumn | None, ...]:
        """For each of the table's columns, what it was in the archive; `None` for one that is younger."""
        numbers = {one.number: one for one in self.columns if self.is_numbered and one.number}
        names = {one.name: one for one in self.columns}
        return tuple(numbers.get(column.number) if numbers else names.get(column.name) for column in columns)

    def relabelled(self, columns: Sequence[Column], now: Mapping[int, Labels]) -> Archive:
        """The archive as one whose columns had other types, where labels of enums were renamed since: nobody knows what the
        labels of the archived values are called now. `now` has today's labels, by attnum.
        """
        others: dict[str, str] = {}
        for column, then in zip(columns, self.found(columns), strict=True):
            for name, labels in now.get(column.number, {}).items():
                if then is not None and name in self.labels and not are_kept(self.labels[name], labels):
                    others[then.stored] = f"{then.postgresql_type} with the labels {', '.join(self.labels[name])}"
        if not others:
            return self
        changed = [
            one.model_copy(update={"postgresql_type": others.get(one.stored, one.postgresql_type)}) for one in self.columns
        ]
        return replace(self, columns=tuple(changed))
