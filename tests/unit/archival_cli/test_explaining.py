"""What `.explain` says of bytes says which ones are meant."""

from __future__ import annotations

from archival_cli.commands.questions.explaining import explained, reads

ARCHIVE = {
    "chunk": "demo.c1",
    "begin": None,
    "is_read": True,
    "why": None,
    "row_groups": 10,
    "row_groups_read": 2,
    "bytes_read": 4_515_984,
    "bytes": 41_063_596,
}
TABLE = {"table": "demo.t", "archives": [ARCHIVE], "chunks": [], "conditions": [], "live_rows": 0}


def test_bytes_of_columns_and_of_files_are_told_apart() -> None:
    _, read, _, last = explained([TABLE])
    assert read == "  read    demo.c1: 2 of 10 row groups, 4,515,984 bytes of needed columns, of 41,063,596 bytes of files"
    assert "beside `archives read`" in last and "whole files" in last
    _, read, _ = explained([TABLE | {"archives": [ARCHIVE | {"row_groups": 0, "bytes_read": 0}]}])
    assert read == "  read    demo.c1: row by row, of 41,063,596 bytes of files"
    assert [column.title for column in reads([TABLE])[1]][-2:] == ["bytes of columns", "bytes of files"]
