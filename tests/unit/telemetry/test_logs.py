"""A record is one line, whatever is in the names that it holds."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry._logs import LogRecord, NoOpLogger

from archival_core.errors import PermanentError, TransientError
from archival_core.telemetry.logs import ExportHandler, named, prepare_records

FORGED = "x\n2026-01-01 INFO root everything is fine"
NAMES = [
    FORGED,
    "x\r\n2026-01-01 INFO forged",
    "\x1b[2J\x1b[1;1Hnothing to see",
    "a\x00b\x07\x08",
    "\x85next\u2028line\u2029paragraph\x0b\x0c",
    "\u202egnp.exe",
    "a lone \ud800 surrogate",
]


@pytest.fixture(autouse=True)
def _prepared() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    prepare_records()
    yield
    logging.setLogRecordFactory(before)


@contextmanager
def written(name: str = "archival_core.somewhere") -> Iterator[tuple[logging.Logger, list[str]]]:
    """A logger, and afterwards the lines that a plain handler has written in UTF-8."""
    raw = io.BytesIO()
    handler = logging.StreamHandler(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
    handler.setFormatter(logging.Formatter("2026-11-28 %(levelname)s %(name)s %(message)s"))
    logger, lines = logging.getLogger(name), list[str]()
    logger.addHandler(handler)
    try:
        yield logger, lines
    finally:
        logger.removeHandler(handler)
        handler.flush()
        lines += raw.getvalue().decode().splitlines()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("logger_name", ["archival_core.flows.somewhere", "azure.core", "another_library"])
def test_a_name_stays_in_its_line(name: str, logger_name: str) -> None:
    with written(logger_name) as (logger, lines):
        logger.warning("%s: %d rows", name, 3)
        logger.warning(f"in the text itself: {name}")  # noqa: G004
        logger.warning(PermanentError(f"{name} is no table", code="unknown-hypertable"))
        logger.warning("%(name)s in a mapping", {"name": name})
    assert len(lines) == 4
    for line in lines:
        assert line.startswith("2026-11-28 WARNING ")
        assert line.isprintable()
    assert lines[0].endswith(": 3 rows")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_an_error_stays_in_its_line(name: str) -> None:
    with written() as (logger, lines):
        try:
            try:
                raise ValueError(name)
            except ValueError as error:
                raise TransientError(f"{name} is away", code="database") from error
        except TransientError:
            logger.exception("%s failed", name)
    assert [line.startswith(("2026-01-01", "next", "nothing")) for line in lines].count(True) == 0
    assert all(line.isprintable() for line in lines)
    told = [line for line in lines if line.startswith(("ValueError: ", "archival_core.errors.TransientError: "))]
    assert len(told) == 2
    # the stack is still one
    assert any(line.startswith('  File "') for line in lines)
    assert "The above exception was the direct cause of the following exception:" in lines


def test_what_is_printable_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    error = PermanentError("täble »x« is gone 🙂", code="unknown-chunk")
    logging.getLogger("archival_core.x").warning("%s: %s", "größe", error)
    [record] = caplog.records
    assert record.getMessage() == "größe: täble »x« is gone 🙂"
    assert record.args == ("größe", error)
    assert record.error_code == "unknown-chunk"  # type: ignore[attr-defined]


def test_the_code_of_an_error_is_known_when_its_text_had_to_change(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("archival_core.x").warning("no: %s", PermanentError("a\nb", code="unknown-chunk"))
    [record] = caplog.records
    assert record.getMessage() == "no: a\\nb"
    assert record.error_code == "unknown-chunk"  # type: ignore[attr-defined]


def test_a_text_that_does_not_go_with_its_arguments_is_told_all_the_same() -> None:
    with written() as (logger, lines):
        logger.warning("%d rows", "x\ny")
        logger.warning("done")
    assert [line.removeprefix("2026-11-28 WARNING archival_core.somewhere ") for line in lines] == [
        "'%d rows' ('x\\ny',)",
        "done",
    ]


class Kept(NoOpLogger):
    """Keeps what is exported."""

    def __init__(self) -> None:
        super().__init__("kept")
        self.records: list[LogRecord] = []

    def emit(self, record: LogRecord | None = None, **_: object) -> None:
        assert record is not None
        self.records.append(record)


def test_an_exported_record_has_the_name_and_the_fields_of_its_event() -> None:
    kept = Kept()
    handler = ExportHandler(kept)
    logger = logging.getLogger("archival_core.named")
    logger.addHandler(handler)
    try:
        logger.warning("the group %s stands still", "billing", extra=named("archival.stream.held", group="billing", entries=3))
        logger.warning("a sentence alone")
    finally:
        logger.removeHandler(handler)
    [held, plain] = kept.records
    assert held.event_name == "archival.stream.held"
    attributes = dict(held.attributes or {})
    assert attributes["event.name"] == "archival.stream.held"
    assert (attributes["archival.group"], attributes["archival.entries"]) == ("billing", 3)
    assert plain.event_name is None
    assert "event.name" not in dict(plain.attributes or {})
