"""Names as people and catalogs write them."""

import pytest

from archival_core.errors import PermanentError
from archival_core.model.chunks.chunk import Relation


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("public.conditions", "public", "conditions"),
        ("conditions", "public", "conditions"),
        ('"my schema"."a.b"', "my schema", "a.b"),
        ('public."say ""hi"""', "public", 'say "hi"'),
        ("public.Readings", "public", "Readings"),
        ("données.température", "données", "température"),
    ],
)
def test_a_name_is_read_and_written_back(text: str, schema: str, name: str) -> None:
    relation = Relation.parse(text)
    assert relation == Relation(schema, name)
    assert Relation.parse(str(relation)) == relation


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a.b.c", '"a', 'a"b"', "x" * 64])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="is not a table name"):
        Relation.parse(text)


def test_sql_quotes_whatever_the_name_holds() -> None:
    assert Relation("s", 'x"; drop table y; --').sql == '"s"."x""; drop table y; --"'
