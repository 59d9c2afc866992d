"""Writes every generated document; `tests/unit/dev/test_docs.py` holds them against the code."""

from __future__ import annotations

from dev.docs.commands import COMMANDS_FILE, commands_document
from dev.docs.errors import ERRORS_FILE, errors_document
from dev.docs.metrics import METRICS_FILE, metrics_document
from dev.docs.schema import SCHEMA_FILE, written_schema
from dev.docs.settings import (
    README_FILE,
    REFERENCE_FILE,
    SAMPLE_FILE,
    TEMPLATE_FILE,
    readme_document,
    reference_document,
    sample_document,
    template_document,
)
from dev.docs.states import ARCHITECTURE_FILE, architecture_document
from dev.docs.types import TYPES_FILE, types_document

if __name__ == "__main__":
    TYPES_FILE.parent.mkdir(exist_ok=True)
    written = (
        (TYPES_FILE, types_document),
        (METRICS_FILE, metrics_document),
        (ARCHITECTURE_FILE, architecture_document),
        (ERRORS_FILE, errors_document),
        (SCHEMA_FILE, written_schema),
        (COMMANDS_FILE, commands_document),
        (REFERENCE_FILE, reference_document),
        (README_FILE, readme_document),
        (SAMPLE_FILE, sample_document),
        (TEMPLATE_FILE, template_document),
    )
    for file, document in written:
        file.write_text(document())
        print(file)
