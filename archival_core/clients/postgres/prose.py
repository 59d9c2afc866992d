"""Text for people, in a database whose encoding has no form for all of its characters.

A name must be kept as it is, or be refused. A sentence may lose a letter: an error that cannot be recorded at all would be
worse than one with an escape in the place of an ellipsis.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import set_json_dumps
from psycopg.types.string import StrDumper


class Prose(str):
    """A sentence, a reason or whoever is named in one: what the database's encoding lacks is written as an escape."""

    __slots__ = ()


def adapt(connection: AsyncConnection[Any]) -> None:
    """Let `connection` write `Prose` as its database can hold it, as a parameter or as a value of a JSON object."""
    encoding = connection.info.parameter_status("server_encoding") or "UTF8"
    if encoding == "UTF8":
        return
    readable = _readable(encoding)

    class Dumper(StrDumper):
        def dump(self, obj: Any) -> Any:
            return super().dump(readable(obj))

    def dumps(value: Any) -> str:
        if isinstance(value, dict):
            value = {key: readable(item) if isinstance(item, Prose) else item for key, item in value.items()}
        # as it is, not as `\uXXXX`: SQL_ASCII takes any byte, and knows no character by its number
        return json.dumps(value, ensure_ascii=False)

    connection.adapters.register_dumper(Prose, Dumper)
    set_json_dumps(dumps, connection)


def _readable(encoding: str) -> Callable[[str], str]:
    if encoding == "SQL_ASCII":
        return str
    try:
        codec = codecs.lookup(encoding.replace("WIN", "cp")).name
    except LookupError:
        codec = "ascii"  # by a name that Python does not have; every encoding of PostgreSQL holds ASCII
    return lambda text: text.encode(codec, "backslashreplace").decode(codec)
