"""docs/glossary.md: each noun once, explained in a sentence, and used."""

from __future__ import annotations

import re

import pytest

from dev.stack.state import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
_ROWS = re.findall(r"^\| (\*\*.+?\*\*) \| (.+) \|$", GLOSSARY.read_text(), re.MULTILINE)
MEANINGS = {noun: meaning for nouns, meaning in _ROWS for noun in re.findall(r"\*\*(.+?)\*\*", nouns)}
#: What people and programs read: the documents, and what stands in the code beside the code.
_USED = "\n".join(
    path.read_text()
    for folder, pattern in (("docs", "*.md"), ("archival_core", "*.py"), ("archival_core", "*.sql"), ("archival_cli", "*.py"))
    for path in (ROOT / folder).rglob(pattern)
    if path != GLOSSARY
).lower()


def test_it_has_rows() -> None:
    assert len(MEANINGS) > 60


def test_each_noun_stands_once() -> None:
    nouns = [noun for nouns, _ in _ROWS for noun in re.findall(r"\*\*(.+?)\*\*", nouns)]
    assert sorted(nouns) == sorted(set(nouns))


def test_nouns_are_in_the_order_of_the_alphabet() -> None:
    first = [re.findall(r"\*\*(?:to )?(.+?)\*\*", nouns)[0].lower() for nouns, _ in _ROWS]
    assert first == sorted(first)


@pytest.mark.parametrize("noun", MEANINGS)
def test_a_noun_is_explained_by_other_words(noun: str) -> None:
    meaning = MEANINGS[noun]
    assert meaning[0].isupper(), meaning
    assert meaning.endswith("."), meaning


@pytest.mark.parametrize("noun", MEANINGS)
def test_a_noun_is_used(noun: str) -> None:
    # a verb may be bent: "to retire" is also "retired", "to adopt" also "adoption"
    stem = re.escape(noun.removeprefix("to ").lower()).removesuffix("e").removesuffix("y").replace(r"\ ", r"[\s_-]+")
    assert re.search(rf"\b{stem}", _USED), f"nothing but the glossary says {noun!r}"
