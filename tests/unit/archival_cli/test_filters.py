"""Filters of lists: the command line is installed without the service, and knows its words all the same."""

from __future__ import annotations

from archival_cli.commands.hypertables import chunks
from archival_core.model.insight.chunk_state import ChunkPlace
from archival_core.model.insight.next_step import Because, Step


def test_chunks_are_narrowed_by_each_word_of_the_service() -> None:
    assert sorted(chunks._STATES) == sorted(ChunkPlace)
    assert sorted(chunks._STEPS) == sorted(Step)
    assert sorted(chunks._REASONS) == sorted(Because)
