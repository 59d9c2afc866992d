"""Whether an archive's files fit a table's columns."""

from __future__ import annotations

import pytest

from archival_core.model.lake.delta_log import TableColumn
from archival_core.model.lake.lake_schema import UnfitError, fitted

TIME, VALUE = TableColumn("time", "timestamp[us, tz=UTC]"), TableColumn("value", "double")


def test_new_columns_come_last_where_archives_may_add_some() -> None:
    assert fitted((TIME,), (VALUE, TIME), may_add=True) == (TIME, VALUE)


def test_a_file_may_lack_columns() -> None:
    assert fitted((TIME, VALUE), (TIME,), may_add=False) == (TIME, VALUE)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (TableColumn("value", "string"), "is string in it and double in the table"),
        (TableColumn("Value", "double"), "in case alone"),
        (TableColumn("other", "double"), "has no column 'other'"),
    ],
)
def test_what_readers_would_read_wrongly_does_not_fit(column: TableColumn, said: str) -> None:
    with pytest.raises(UnfitError, match=said):
        fitted((TIME, VALUE), (column,), may_add=False)


NUMBERED = TableColumn("value", "double", {"archival.number": 2, "archival.attnum": 3})


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ({}, True),
        ({"archival.number": 2, "archival.attnum": 3}, True),
        # of a table that was made again
        ({"archival.number": 2, "archival.attnum": 1}, True),
        ({"archival.number": 4, "archival.attnum": 3}, False),
        # of before there were numbers, and two columns have changed names
        ({"archival.attnum": 2}, False),
        ({"archival.attnum": 3}, True),
    ],
)
def test_a_column_of_the_same_name_may_be_another_one(said: dict[str, int], fits: bool) -> None:
    column = TableColumn("value", "double", said)
    if fits:
        assert fitted((NUMBERED,), (column,), may_add=False) == (NUMBERED,)
    else:
        with pytest.raises(UnfitError, match="another one"):
            fitted((NUMBERED,), (column,), may_add=False)


def test_a_form_without_a_type_does_not_fit() -> None:
    with pytest.raises(UnfitError, match="time64"):
        fitted((), (TableColumn("t", "time64[us]"),), may_add=True)
