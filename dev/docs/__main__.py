"""Writes every generated document; `tests/unit/dev/test_docs.py` holds them against the code."""

from __future__ import annotations

from dev.docs.types import TYPES_FILE, types_document

if __name__ == "__main__":
    TYPES_FILE.parent.mkdir(exist_ok=True)
    TYPES_FILE.write_text(types_document())
    print(TYPES_FILE)
