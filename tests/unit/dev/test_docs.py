"""Generated documents are those that the code makes now."""

from dev.docs.metrics import METRICS_FILE, metrics_document
from dev.docs.types import TYPES_FILE, types_document


def test_types_md_is_current() -> None:
    assert TYPES_FILE.read_text() == types_document(), "run `make docs`"


def test_metrics_md_is_current() -> None:
    assert METRICS_FILE.read_text() == metrics_document(), "run `make docs`"
