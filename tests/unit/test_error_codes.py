"""Every code that the package raises is in the catalogue of errors, and the catalogue has no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import archival_core
from archival_core.clients.postgres import troubles as postgres_troubles
from archival_core.error_codes import CODES, SECTIONS

PACKAGE = Path(archival_core.__file__).parent
#: Where codes are listed rather than given to an error: tables of SQLSTATEs, and statements that write an `error` of a job.
LISTED = re.compile(r"(?<!->> )'code', '([a-z-]+)'|coalesce\(error ->> 'code', '([a-z-]+)'\)")

FILES = re.compile(r"\bdocs/|\b\w+\.md\b|grants\.sql|\brunbook\b")
#: what is written into the log of a table in the lake, which engines read
OF_FORMATS = ("delta_log.py",)


def raised() -> Iterator[tuple[str, Path]]:
    """Each literal code of a call, and of a table that is called a table of codes."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                yield str(node.value.value), file


def test_what_is_raised_is_in_the_catalogue() -> None:
    found = list(raised())
    assert len(found) > 100
    assert {code: str(file) for code, file in found if code not in CODES} == {}


def test_what_a_database_may_be_in_trouble_with_is_in_the_catalogue() -> None:
    troubles = [found for found in vars(postgres_troubles).values() if isinstance(found, postgres_troubles.Trouble)]
    assert len(troubles) > 10
    assert {code for found in troubles for code in (found.source, found.database)} <= CODES.keys()


def test_what_the_ledger_writes_is_in_the_catalogue() -> None:
    texts = [file.read_text() for file in (PACKAGE / "ledger" / "sql").rglob("*.sql")]
    written = {code for text in texts for found in LISTED.findall(text) for code in found if code}
    assert written >= {"duplicate", "poisoned"}
    assert written <= CODES.keys()


def test_the_catalogue_has_no_code_that_nothing_gives() -> None:
    package = "\n".join(
        file.read_text() for pattern in ("*.py", "*.sql") for file in PACKAGE.rglob(pattern) if file.name != "error_codes.py"
    )
    assert [code for code in CODES if not re.search(rf"""["']{code}["']""", package)] == []


def said_to_people() -> Iterator[tuple[str, Path]]:
    """Each text of the package that is neither a docstring nor the description of a setting."""
    for file in PACKAGE.rglob("*.py"):
        if file.name in ("settings.py", "host_settings.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Expr):
                yield from ((str(text.value), file) for text in ast.iter_child_nodes(node) if isinstance(text, ast.Constant))
    for file in (PACKAGE / "api" / "static").rglob("*.js"):
        yield file.read_text(), file


def test_nobody_is_sent_to_a_file_of_the_repository() -> None:
    """Whoever runs a deployed service has its page, its API and its log."""
    sent = [(text[:100], file.name) for text, file in said_to_people() if FILES.search(text) and file.name not in OF_FORMATS]
    assert sent == []
    assert not [code for code, known in CODES.items() if FILES.search(known.meaning + known.remedy)]


def test_a_code_has_one_place_and_a_sentence() -> None:
    assert sum(map(len, SECTIONS.values())) == len(CODES)
    for code, known in CODES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert known.meaning.endswith(".")
        assert not known.remedy or known.remedy.endswith(".")
        assert known.status is None or 400 <= known.status < 600
