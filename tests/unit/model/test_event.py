"""An event is taken in either form; anything wrong names the field and the reason."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archival_core.errors import InvalidEventError
from archival_core.model.asking.event import parse_entry

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "database_service",
    "type": "archival.chunk.requested",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "data": {"hypertable": "public.conditions", "chunk": "_timescaledb_internal._hyper_1_1_chunk", "remove": False},
}


def entry(**changes: Any) -> dict[bytes, bytes]:
    return {b"event": json.dumps({**GOOD, **changes}).encode()}


def test_a_cloud_event() -> None:
    event = parse_entry(entry(extra="kept"))
    assert str(event.data.table) == "public.conditions"
    assert str(event.data.chunk_relation) == "_timescaledb_internal._hyper_1_1_chunk"
    assert event.data.remove is False
    assert event.trace_parent == GOOD["traceparent"]
    assert event.requested_by == "database_service#1"


def test_a_flat_entry() -> None:
    event = parse_entry({b"id": b"7", b"hypertable": b"t", b"older_than": b"-5", b"remove": b"true"})
    assert event.data.older_than == -5
    assert event.data.remove is True
    assert str(event.data.table) == "public.t"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": {"hypertable": "t"}}, "either chunk or older_than"),
        ({"data": {"hypertable": "t", "chunk": "c", "older_than": 1}}, "either chunk or older_than"),
        ({"data": {"hypertable": "a.b.c", "chunk": "c"}}, "not a table name"),
        ({"data": {"hypertable": "t", "older_than": "yesterday"}}, "RFC 3339"),
        ({"data": {"hypertable": "t", "older_than": "2026-01-01T00:00:00"}}, "no UTC offset"),
        ({"data": None}, "data: "),
        ({"type": "other"}, "type: "),
        ({"specversion": "0.3"}, "specversion: "),
        ({"id": ""}, "id: "),
    ],
)
def test_a_wrong_event_says_what_is_wrong(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidEventError, match=reason):
        parse_entry(entry(**changes))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({b"event": b"{"}, "not JSON"),
        ({b"event": b"[" * 60_000}, "not JSON"),
        ({b"event": b"\xff"}, "not UTF-8"),
        ({b"event": b"1" * 70_000}, "larger than"),
        ({}, "neither a field 'event'"),
    ],
)
def test_bytes_that_are_no_event(fields: dict[bytes, bytes], reason: str) -> None:
    with pytest.raises(InvalidEventError, match=reason):
        parse_entry(fields)


def test_a_malformed_traceparent_is_dropped_and_the_event_kept() -> None:
    assert parse_entry(entry(traceparent="nonsense")).trace_parent is None


@given(st.dictionaries(st.binary(max_size=20), st.binary(max_size=200), max_size=5), st.binary(max_size=300))
def test_no_bytes_break_the_parser(fields: dict[bytes, bytes], event: bytes) -> None:
    for candidate in (fields, {**fields, b"event": event}):
        with contextlib.suppress(InvalidEventError):
            parse_entry(candidate)
