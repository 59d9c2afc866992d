"""A question as it goes to its process: plain values, pickled."""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from archival_core.query.engine.whole_table import WholeTable
from archival_core.query.question.forms import Form
from archival_core.query.question.limits import Limits
from archival_core.query.question.statement import Statement


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that a process needs to answer a question from one moment."""

    statement: Statement
    tables: Sequence[WholeTable]
    form: Form
    limits: Limits
    #: whether it is told what is read, in the place of rows
    explain: bool
    #: whether DuckDB's own reader may read archives
    own_reader: bool
    #: whether DuckDB may hand filters down to scans of Arrow's kind
    hands_down: bool
    #: of the source, with a password that is valid now
    database_url: str
    snapshot_id: str
    #: said to each session of the source
    settings: Mapping[str, str]
    #: opens the lake
    arrow_files: partial[tuple[Any, str]]


def _viewed(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(content)


def _read_only(view: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    # its own type has no name that could be imported
    return _viewed, (dict(view),)


_REDUCED: Final = copyreg.dispatch_table | {MappingProxyType: _read_only}


def pickled(value: object) -> bytes:
    """`value` for the other process."""
    sink = io.BytesIO()
    pickler = pickle.Pickler(sink)
    pickler.dispatch_table = _REDUCED
    pickler.dump(value)
    return sink.getvalue()
