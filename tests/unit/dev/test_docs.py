"""Generated documents are those that the code makes now."""

from dev.docs.types import TYPES_FILE, types_document


def test_types_md_is_current() -> None:
    assert TYPES_FILE.read_text() == types_document(), "run `make docs`"
