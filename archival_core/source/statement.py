"""Statements to the source that are put together of parts, by `psycopg.sql`.

A name becomes an `Identifier` and a value a `Literal`, which quote themselves. A statement that has parts takes no
parameters beside them: psycopg would take a percent sign in a name for the place of one.
"""

from __future__ import annotations

from psycopg import sql

from archival_core.model.chunks.chunk import Relation


def name_of(relation: Relation) -> sql.Identifier:
    """A table by schema and name."""
    return sql.Identifier(relation.schema, relation.name)


def expression(text: str) -> sql.SQL:
    """SQL that is whole: a type's name as the catalog prints it, or a value as `source.wire` or `source.restore.columns`
    reads it. Names and texts in it are quoted by whoever made it.
    """
    return sql.SQL(text)
