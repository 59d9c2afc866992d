"""Which rows a part has, as a value that the ledger keeps."""

from __future__ import annotations

import pytest

from archival_core.model.chunks.chunk import Chunk, ChunkRange, Relation
from archival_core.model.chunks.grounds import Grounds
from archival_core.model.chunks.part_range import WHOLE, PageRange, PartRange, TimeRange
from archival_core.model.jobs.progress import Progress
from archival_core.source.state.snapshot.parts import condition

GROUNDS = Grounds(system_identifier="1", database="d", nonce=None, snapshot="1:1:", tuples=(1,), content_hash=None, tables=())
PARTS: tuple[PartRange, ...] = (
    WHOLE,
    PageRange(first_page=7, end_page=9),
    TimeRange(from_time=None, before_time="2026-01-01 00:00:00+00"),
    TimeRange(from_time="-5", before_time=None),
)
CHUNK = Chunk(
    Relation("s", "t"), Relation("s", "c"), "native", 'when "it" was', "timestamp with time zone", ChunkRange(None, None)
)


def test_what_the_ledger_keeps_is_the_value() -> None:
    progress = Progress(grounds=GROUNDS, files=(1,), staging=("a",), columns=(), parts=PARTS)
    assert Progress.read(progress.model_dump(mode="json")) == progress


@pytest.mark.parametrize("parts", [["true"], ["ctid < '(5,0)'::pg_catalog.tid"], [{"first_page": 1, "from_time": "x"}]])
def test_a_form_of_another_release_is_not_gone_on_with(parts: list[object]) -> None:
    recorded = Progress(grounds=GROUNDS, files=(1,), staging=("a",), columns=(), parts=()).model_dump(mode="json")
    assert Progress.read(recorded | {"parts": parts}) is None
    assert Progress.read(None) is None


@pytest.mark.parametrize(
    ("part", "sql"),
    [
        (WHOLE, "true"),
        (PageRange(end_page=9), "ctid < '(9,0)'::pg_catalog.tid"),
        (PageRange(first_page=7, end_page=9), "ctid >= '(7,0)'::pg_catalog.tid AND ctid < '(9,0)'::pg_catalog.tid"),
        (TimeRange(from_time=None, before_time=None), "true"),
        (TimeRange(from_time="it's", before_time=None), """"when ""it"" was" >= 'it''s'::timestamp with time zone"""),
        (
            TimeRange(from_time="a", before_time="b"),
            """"when ""it"" was" >= 'a'::timestamp with time zone AND "when ""it"" was" < 'b'::timestamp with time zone""",
        ),
    ],
)
def test_a_range_as_sql(part: PartRange, sql: str) -> None:
    assert condition(CHUNK, part) == sql
