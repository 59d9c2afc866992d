"""Which tables of the source a statement means."""

from __future__ import annotations

import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation
from archival_core.query.question.naming import resolved
from archival_core.query.question.statement import TableName
from archival_core.source.state.snapshot.readable import NamedTable

READINGS = NamedTable(Relation("demo", "readings"), "native", 1, False)
OLD = NamedTable(Relation("Old", "Readings"), "plain", 2, False)


def test_a_table_has_its_schema_or_public() -> None:
    own = NamedTable(Relation("public", "readings"), "plain", 3, False)
    assert resolved([TableName("", "readings")], [READINGS, own]) == [own]
    assert resolved([TableName("demo", "Readings")], [READINGS, own]) == [READINGS]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([READINGS], "there is no table public.readings that you may read; did you mean demo.readings?"),
        ([READINGS, OLD], "there is no table public.readings that you may read; did you mean Old.Readings or demo.readings?"),
        ([], "there is no table public.readings that you may read; a chunk, a partition or a view is none by itself"),
    ],
)
def test_a_table_without_its_schema_is_looked_for_in_others(found: list[NamedTable], told: str) -> None:
    with pytest.raises(PermanentError) as raised:
        resolved([TableName("", "readings")], found)
    assert str(raised.value) == told
    assert raised.value.code == "unknown-table"
