"""Databases of a test's own on a server that tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg


@contextmanager
def own_database(server_url: str, template: str = "template1") -> Iterator[str]:
    """A new database of the server, until the end of the block, whoever is connected to it then."""
    name = f"own_{uuid4().hex[:10]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        # through the log it would take twice the time
        connection.execute(f"create database {name} template {template} strategy file_copy".encode())
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)".encode())
