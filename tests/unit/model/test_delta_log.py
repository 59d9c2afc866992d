"""Commits as the Delta Lake protocol has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from archival_core.model.lake.delta_log import (
    CONFIGURATION,
    Commit,
    TableColumn,
    TableFile,
    commit_content,
    commit_file,
    delta_type,
    is_commit_of,
)

HISTORY, TOKEN = UUID(int=1), UUID(int=2)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def lines(commit: Commit) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for line in commit_content(commit).decode().splitlines():
        ((kind, action),) = json.loads(line).items()
        found.setdefault(kind, []).append(action)
    return found


def test_a_first_commit_says_protocol_columns_and_files() -> None:
    columns = (TableColumn("time", "timestamp[us, tz=UTC]"), TableColumn("v", "double", {"postgresql.type": "real"}))
    file = TableFile("c_r0/part-00000.parquet", 10, '{"numRecords":1}', 5)
    found = lines(Commit(HISTORY, 1, TOKEN, AT, adds=(file,), columns=columns, name="public.t"))
    assert found["protocol"] == [{"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["archivalService"]}]
    (metadata,) = found["metaData"]
    assert (metadata["id"], metadata["name"], metadata["configuration"]) == (str(HISTORY), "public.t", dict(CONFIGURATION))
    assert json.loads(metadata["schemaString"])["fields"][1] == {
        "name": "v",
        "type": "double",
        "nullable": True,
        "metadata": {"postgresql.type": "real"},
    }
    assert found["txn"] == [{"appId": f"archival_service/{HISTORY}", "version": 1, "lastUpdated": 1767225600000}]
    assert found["add"][0]["path"] == "c_r0/part-00000.parquet"


def test_a_later_commit_says_what_changes_alone() -> None:
    found = lines(Commit(HISTORY, 2, TOKEN, AT, removes=("c_r0/part-00000.parquet",)))
    assert found.keys() == {"commitInfo", "txn", "remove"}
    assert found["remove"] == [
        {
            "path": "c_r0/part-00000.parquet",
            "deletionTimestamp": 1767225600000,
            "dataChange": True,
            "extendedFileMetadata": False,
        }
    ]


@pytest.mark.parametrize("form", ["timestamp[us]", "list<element: timestamp[us]>"])
def test_timestamps_without_a_time_zone_need_a_reader_s_feature(form: str) -> None:
    (protocol,) = lines(Commit(HISTORY, 1, TOKEN, AT, columns=(TableColumn("t", form),)))["protocol"]
    assert (protocol["minReaderVersion"], protocol["readerFeatures"]) == (3, ["timestampNtz"])


def test_a_commit_is_found_again_by_its_token() -> None:
    content = commit_content(Commit(HISTORY, 1, TOKEN, AT))
    assert is_commit_of(content, TOKEN)
    assert not is_commit_of(content, uuid4())
    for other in (b"", b"{}", b"[]", b'{"commitInfo":{"operation":"WRITE"}}\n', b"\xff"):
        assert not is_commit_of(other, TOKEN)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("int16", "short"),
        ("int32", "integer"),
        ("int64", "long"),
        ("bool", "boolean"),
        ("date32[day]", "date"),
        ("timestamp[us, tz=UTC]", "timestamp"),
        ("decimal128(38, 10)", "decimal(38,10)"),
        ("list<item: int32>", {"type": "array", "elementType": "integer", "containsNull": True}),
        ("list<element: decimal128(5, 2)>", {"type": "array", "elementType": "decimal(5,2)", "containsNull": True}),
        ("map<string, string>", {"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": True}),
    ],
)
def test_forms_have_types(form: str, expected: object) -> None:
    assert delta_type(form) == expected


@pytest.mark.parametrize("form", ["time64[us]", "decimal256(50, 2)", "", "list<element: time64[us]>"])
def test_a_form_without_a_type_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match="has no type in a Delta table"):
        delta_type(form)


def test_commits_are_numbered_with_twenty_digits() -> None:
    assert commit_file(7) == "00000000000000000007.json"
